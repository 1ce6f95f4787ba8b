# libposenet: `make demo` and `make test` install what is missing, build on all cores, and do their work.
#
#   make            library and programs in build/bin
#   make test       every test, float and double
#   make demo       synthetic people, training, pictures and scores in build/demo
#   make help       the other words

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
OPT     ?= -O2 -g
WARN    := -Wall -Wextra -Wconversion -Wshadow
WERROR  ?= -Werror
SANITIZE ?=
ARCH    := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)

MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2) --no-print-directory
.DEFAULT_GOAL := all

PACKAGES := libpng libjpeg libcjson openblas inih
HAVE_PACKAGES := $(shell pkg-config --exists $(PACKAGES) 2>/dev/null && echo yes)
DEP_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
DEP_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

CFLAGS_ALL = -std=c11 $(OPT) $(WARN) $(WERROR) $(SANITIZE) -ffp-contract=fast -fno-math-errno -fno-trapping-math \
             -fPIC -fvisibility=hidden -pthread -Ilib -I$(BUILD)/gen -DPN_BUILDING -DPN_VERSION='"$(VERSION)"' \
             $(DEP_CFLAGS) $(CFLAGS)
LIBS = $(DEP_LIBS) -lm -pthread

# ---- sources, found by pattern -----------------------------------------------------------------------------------------

LIB_SRC   := $(wildcard lib/core/*.c lib/io/*.c lib/kernels/*.c lib/kernels/ref/*.c lib/graph/*.c lib/ops/*.c \
               lib/nn/*.c lib/features/*.c lib/data/*.c lib/metrics/*.c lib/train/*.c models/*.c models/*/*.c)
SIMD_SRC  := $(wildcard lib/kernels/simd/*.c)
TEXT_SRC  := $(wildcard lib/*/*.txt models/*/*.txt)
PROGRAMS  := $(patsubst examples/posenet-%.c,posenet-%,$(wildcard examples/posenet-*.c))
PROGRAM_COMMON := $(filter-out examples/posenet-%.c examples/minimal.c examples/gan_step.c,$(wildcard examples/*.c))
TEST_SRC  := $(filter-out tests/fuzz/% tests/fault/%,$(wildcard tests/*.c tests/*/*.c))

LEVELS_x86_64  := base avx2 avx512
LEVELS_aarch64 := base neon
LEVELS  := $(or $(LEVELS_$(ARCH)),base)
LEVEL_base   := -DPN_LEVEL=base -DPN_VLEN=4
LEVEL_avx2   := -DPN_LEVEL=avx2 -DPN_VLEN=8 -mavx2 -mfma
LEVEL_avx512 := -DPN_LEVEL=avx512 -DPN_VLEN=16 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
LEVEL_neon   := -DPN_LEVEL=neon -DPN_VLEN=4

TEXT_OBJ := $(TEXT_SRC:%.txt=$(BUILD)/obj/%.txt.o)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(TEXT_OBJ) \
            $(foreach l,$(LEVELS),$(SIMD_SRC:%.c=$(BUILD)/obj/%.$(l).o))
DBL_OBJ  := $(LIB_SRC:%.c=$(BUILD)/dbl/%.o) $(TEXT_SRC:%.txt=$(BUILD)/dbl/%.txt.o)

all: $(BUILD)/lib/libposenet.a $(BUILD)/lib/libposenet.so $(PROGRAMS:%=$(BUILD)/bin/%)

# models/model.h is installed as posenet/model.h, and included by that name.
MODEL_H := $(BUILD)/gen/posenet/model.h
$(MODEL_H): models/model.h
	@mkdir -p $(@D); cp $< $@

$(BUILD)/obj/%.o: %.c | $(MODEL_H)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(BUILD)/dbl/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -DPN_REAL_DOUBLE -MMD -MP -c $< -o $@
define simd_rule
$(BUILD)/obj/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) -O3 $$(LEVEL_$(1)) -Wno-psabi -MMD -MP -c $$< -o $$@
endef
$(foreach l,$(LEVELS),$(eval $(call simd_rule,$(l))))

# A text file beside the code becomes pn_text_NAME, a string: tables are data, and no program looks for files of its own.
$(BUILD)/gen/%.txt.c: %.txt
	@mkdir -p $(@D)
	@{ echo 'extern const char pn_text_$(notdir $*)[]; const char pn_text_$(notdir $*)[] = {'; \
	   od -An -v -tu1 $< | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '0};'; } > $@
$(BUILD)/obj/%.txt.o: $(BUILD)/gen/%.txt.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@
$(BUILD)/dbl/%.txt.o: $(BUILD)/gen/%.txt.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@
.SECONDARY:

$(BUILD)/lib/libposenet.a: $(LIB_OBJ)
	@mkdir -p $(@D); rm -f $@
	ar rcs $@ $^
$(BUILD)/lib/libposenet.so: $(LIB_OBJ)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -shared -Wl,-soname,libposenet.so.0 -o $@ $^ $(LIBS)
$(BUILD)/lib/libposenet_double.a: $(DBL_OBJ)
	@mkdir -p $(@D); rm -f $@
	ar rcs $@ $^
$(BUILD)/bin/posenet-%: $(BUILD)/obj/examples/posenet-%.o $(PROGRAM_COMMON:%.c=$(BUILD)/obj/%.o) $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

$(BUILD)/bin/gan_step $(BUILD)/bin/minimal: $(BUILD)/bin/%: $(BUILD)/obj/examples/%.o $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS)

# ---- tests -------------------------------------------------------------------------------------------------------------

TEST_CFLAGS = -Itests -DPN_TEST_DATA='"$(CURDIR)/tests"' $(shell pkg-config --cflags check 2>/dev/null)
TEST_LIBS   = $(shell pkg-config --libs check 2>/dev/null)

# Every test file ends with `TCase *X_cases(void)`; main.c runs them all, one suite per folder.
$(BUILD)/gen/cases.def: $(TEST_SRC) FORCE
	@mkdir -p $(@D)
	@grep -oE '^TCase \*[a-z0-9_]+_cases\(void\)' $(filter %.c,$^) /dev/null | \
	  sed -E 's|^tests/([^/]*)/.*TCase \*([a-z0-9_]+)_cases.*|CASES(\1, \2)|' | sort -u > $@.new
	@cmp -s $@.new $@ || cp $@.new $@
$(BUILD)/obj/tests/main.o $(BUILD)/dbl/tests/main.o: $(BUILD)/gen/cases.def

$(BUILD)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(TEST_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/dbl/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(TEST_CFLAGS) -DPN_REAL_DOUBLE -MMD -MP -c $< -o $@
$(BUILD)/bin/tests: $(TEST_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(TEST_LIBS) $(LIBS)
$(BUILD)/bin/tests-double: $(TEST_SRC:%.c=$(BUILD)/dbl/%.o) $(BUILD)/lib/libposenet_double.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(TEST_LIBS) $(LIBS)

# The double build runs beside the float build; its report comes after, and either may fail.
test: all $(BUILD)/bin/tests $(BUILD)/bin/tests-double
	@$(BUILD)/bin/tests-double > $(BUILD)/tests-double.log 2>&1 & double=$$!; \
	$(BUILD)/bin/tests; float=$$?; wait $$double; double=$$?; \
	echo "The double build:"; cat $(BUILD)/tests-double.log; exit $$((float | double))
gradcheck: $(BUILD)/bin/tests-double
	$(BUILD)/bin/tests-double

FORCE:

.PHONY: all clean help test gradcheck FORCE
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
