# libposenet: `make demo` and `make test` install what is missing, build on all cores, and do their work.
#
#   make              library and programs, in build/lib and build/bin
#   make test         every test, of the float and of the double build
#   make demo         synthetic people, training, pictures and scores, in build/demo; MODEL=gfla, glocal or rsa_gan
#   make install      PREFIX=/usr/local DESTDIR=: library, headers, posenet.pc, programs
#   make gradcheck    the double build's tests alone: gradients against differences
#   make asan         the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make ubsan tsan   under UndefinedBehaviorSanitizer (both builds), under ThreadSanitizer
#   make fuzz         every decoder under libFuzzer, FUZZ_SECONDS=20 each (needs clang)
#   make fault        whole scenarios with every allocation and every write refused in turn
#   make soak         random graphs, SOAK_ROUNDS=2000 of each kind; real pairs learned by heart, where PN_REAL_DATA is
#   make neon         the kernels' and ops' tests as ARM code under qemu (unpacks arm64 libraries in build/neon)
#   make bench        what a convolution, an attention, a step cost here; BENCH_ARGS="--filter conv"
#   make check-deps check-symbols     the layers include downwards only; what is exported is what is public
#   make format       clang-format over everything
#   make clean        remove build/
#   make help         this page
#
# V=1 prints whole commands; BUILD=dir, CC=clang, OPT=-O3, WERROR= do what they say. HDF5=0 leaves libhdf5 out, which is used
# where pkg-config knows it: ShapeNet's own files of views need it.

VERSION := 0.1.0
BUILD   ?= build
MODEL   ?= gfla
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
OPT     ?= -O2 -g
WARN    := -Wall -Wextra -Wformat-security -Wconversion -Wshadow
WERROR  ?= -Werror
SANITIZE ?=
ARCH    := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all
# One short line per command; V=1 shows them whole.
say = $(if $(V),,@echo "  $(1)  $@";)

# ---- what must be installed ----------------------------------------------------------------------------------------

# pkg-config's name and Debian's, of what the library needs; of what the tests need.
LIBRARIES      := libpng:libpng-dev libjpeg:libjpeg-dev libcjson:libcjson-dev openblas:libopenblas-dev inih:libinih-dev \
                  libzip:libzip-dev
TEST_LIBRARIES := check:check

GOALS     := $(or $(MAKECMDGOALS),all)
ALONE     := clean help format check-deps
SELF_HELP := test gradcheck asan ubsan tsan fuzz fault soak neon demo bench
TESTING   := test gradcheck asan ubsan tsan fault soak run-tests tests run-neon
WANTED    := $(LIBRARIES) $(if $(filter $(TESTING),$(GOALS)),$(TEST_LIBRARIES))
TOOLS     := pkg-config:pkg-config \
             $(if $(filter fuzz,$(GOALS)),clang:clang) \
             $(if $(filter neon,$(GOALS)),aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu qemu-aarch64-static:qemu-user-static)
ifneq ($(filter-out $(ALONE),$(GOALS)),)
MISSING   := $(shell for t in $(TOOLS); do command -v $${t%:*} >/dev/null || echo $${t#*:}; done; \
               for l in $(WANTED); do pkg-config --exists $${l%:*} 2>/dev/null || echo $${l#*:}; done; \
               $(if $(filter fuzz,$(GOALS)),ls $$(clang -print-runtime-dir)/libclang_rt.fuzzer* >/dev/null 2>&1 || echo libclang-rt-dev))
endif

help:
	@sed -n 's/^\#   //p' $(firstword $(MAKEFILE_LIST))
clean:
	rm -rf $(BUILD)
format:
	@command -v clang-format >/dev/null || { echo "clang-format is missing; apt-get install clang-format" >&2; exit 1; }
	clang-format -i $$(find lib models examples tests bench -name '*.[ch]')
check-deps:
	@sh tests/meta/check_deps.sh
.PHONY: help clean format check-deps

ifneq ($(MISSING),)

# Packages first; then everything again, since what pkg-config says has been read before they were there.
$(filter-out $(ALONE),$(GOALS)): packages ;
.PHONY: packages $(GOALS)
packages:
ifneq ($(and $(filter $(SELF_HELP),$(GOALS)),$(if $(PN_INSTALLED),,yes)),)
	@run=; if [ "$$(id -u)" != 0 ]; then run="sudo -n"; fi; \
	if ! command -v apt-get >/dev/null || ! $$run true 2>/dev/null; then \
	  echo "missing: $(MISSING); install them (Debian: apt-get install $(MISSING)) and run make $(GOALS) again" >&2; exit 1; fi; \
	echo "installing $(MISSING)"; $$run apt-get update -qq && \
	$$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(MISSING) >/dev/null
	@$(MAKE) PN_INSTALLED=yes $(filter-out $(ALONE),$(GOALS))
else
	@echo "missing: $(MISSING); install them (Debian: apt-get install $(MISSING)) and run make $(GOALS) again" >&2; exit 1
endif

else

# Only where it is found: its folder belongs to the one file that knows it, and to tests.
HDF5         ?= $(firstword $(foreach p,hdf5 hdf5-serial,$(shell pkg-config --exists $(p) 2>/dev/null && echo $(p))))
HDF5_PACKAGE := $(filter-out 0,$(HDF5))
HDF5_CFLAGS  := $(if $(HDF5_PACKAGE),-DPN_HDF5 $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(HDF5_PACKAGE))))

PACKAGES   := $(foreach l,$(LIBRARIES),$(firstword $(subst :, ,$(l)))) $(HDF5_PACKAGE)
DEP_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
DEP_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

CFLAGS_ALL = -std=c11 $(OPT) $(WARN) $(WERROR) $(SANITIZE) -ffp-contract=fast -fno-math-errno -fno-trapping-math \
             -fPIC -fvisibility=hidden -pthread -Ilib -I$(BUILD)/gen -DPN_BUILDING -DPN_VERSION='"$(VERSION)"' \
             $(DEP_CFLAGS) $(CFLAGS)
LIBS = $(DEP_LIBS) -lm -pthread

# ---- sources, found by pattern -------------------------------------------------------------------------------------

LIB_SRC   := $(wildcard lib/core/*.c lib/io/*.c lib/kernels/*.c lib/kernels/ref/*.c lib/graph/*.c lib/ops/*.c \
               lib/nn/*.c lib/features/*.c lib/data/*.c lib/metrics/*.c lib/train/*.c models/*.c models/*/*.c)
SIMD_SRC  := $(wildcard lib/kernels/simd/*.c)
TEXT_SRC  := $(wildcard lib/*/*.txt models/*/*.txt)
PROGRAMS  := $(patsubst examples/posenet-%.c,posenet-%,$(wildcard examples/posenet-*.c))
PROGRAM_COMMON := $(filter-out examples/posenet-%.c examples/minimal.c examples/gan_step.c,$(wildcard examples/*.c))
TEST_SRC  := $(filter-out tests/fuzz/%,$(wildcard tests/*.c tests/*/*.c))

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

INSTALLED_PROGRAMS := $(PROGRAMS:%=$(BUILD)/bin/%) $(if $(wildcard bench/*.c),$(BUILD)/bin/posenet-bench)
all: $(BUILD)/lib/libposenet.a $(BUILD)/lib/libposenet.so $(INSTALLED_PROGRAMS)

# models/model.h is installed as posenet/model.h, and included by that name.
MODEL_H := $(BUILD)/gen/posenet/model.h
$(MODEL_H): models/model.h
	@mkdir -p $(@D); cp $< $@

$(BUILD)/obj/%.o: %.c | $(MODEL_H)
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(BUILD)/dbl/%.o: %.c | $(MODEL_H)
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) -DPN_REAL_DOUBLE -MMD -MP -c $< -o $@
# With or without HDF5: these are compiled again when that changes.
HDF5_OBJ := $(foreach d,obj dbl,$(foreach f,lib/io/hdf5 tests/data/test_hdf5,$(BUILD)/$(d)/$(f).o))
$(HDF5_OBJ): CFLAGS_ALL += $(HDF5_CFLAGS)
$(HDF5_OBJ): $(BUILD)/gen/hdf5
$(BUILD)/gen/hdf5: FORCE
	@mkdir -p $(@D); echo "$(HDF5_CFLAGS)" > $@.new; cmp -s $@.new $@ || cp $@.new $@
# The plain kernels are most of what an instrumented test waits for: REF_CFLAGS.
$(BUILD)/obj/lib/kernels/ref/%.o: CFLAGS_ALL += $(REF_CFLAGS)
SIMD_CFLAGS := -O3
define simd_rule
$(BUILD)/obj/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC) $$(CC) $$(CFLAGS_ALL) $$(SIMD_CFLAGS) $$(LEVEL_$(1)) -Wno-psabi -MMD -MP -c $$< -o $$@
endef
$(foreach l,$(LEVELS),$(eval $(call simd_rule,$(l))))

# A text file beside the code becomes pn_text_NAME, a string: tables are data, and no program looks for files of its own.
$(BUILD)/gen/%.txt.c: %.txt
	@mkdir -p $(@D)
	@{ echo 'extern const char pn_text_$(notdir $*)[]; const char pn_text_$(notdir $*)[] = {'; \
	   od -An -v -tu1 $< | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '0};'; } > $@
$(BUILD)/obj/%.txt.o: $(BUILD)/gen/%.txt.c
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) -c $< -o $@
$(BUILD)/dbl/%.txt.o: $(BUILD)/gen/%.txt.c
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) -c $< -o $@
.SECONDARY:

$(BUILD)/lib/libposenet.a: $(LIB_OBJ)
	@mkdir -p $(@D); rm -f $@
	$(call say,AR) $(AR) rcs $@ $^
$(BUILD)/lib/libposenet.so: $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(SANITIZE) -shared -Wl,-soname,libposenet.so.0 -o $@ $^ $(LIBS)
$(BUILD)/lib/libposenet_double.a: $(DBL_OBJ)
	@mkdir -p $(@D); rm -f $@
	$(call say,AR) $(AR) rcs $@ $^
$(BUILD)/bin/posenet-%: $(BUILD)/obj/examples/posenet-%.o $(PROGRAM_COMMON:%.c=$(BUILD)/obj/%.o) $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(SANITIZE) -o $@ $^ $(LIBS)

SMALL_PROGRAMS := $(BUILD)/bin/gan_step $(BUILD)/bin/minimal
$(SMALL_PROGRAMS): $(BUILD)/bin/%: $(BUILD)/obj/examples/%.o $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(SANITIZE) -o $@ $^ $(LIBS)

# ---- tests ---------------------------------------------------------------------------------------------------------

TEST_CFLAGS = $(TEST_OPT) -Itests -DPN_TEST_DATA='"$(CURDIR)/tests"' -DPN_TEST_BIN='"$(abspath $(BUILD))/bin"' \
              $(shell pkg-config --cflags check 2>/dev/null)
TEST_LIBS   = $(shell pkg-config --libs check 2>/dev/null)

# Every test file ends with `TCase *X_cases(void)`; main.c runs them all, one suite per folder.
$(BUILD)/gen/cases.def: $(TEST_SRC) FORCE
	@mkdir -p $(@D)
	@grep -oE '^TCase \*[a-z0-9_]+_cases\(void\)' $(filter %.c,$^) /dev/null | \
	  sed -E 's|^tests/([^/]*)/.*TCase \*([a-z0-9_]+)_cases.*|CASES(\1, \2)|' | sort -u > $@.new
	@cmp -s $@.new $@ || cp $@.new $@
$(BUILD)/obj/tests/main.o $(BUILD)/dbl/tests/main.o: $(BUILD)/gen/cases.def

$(BUILD)/obj/tests/%.o: tests/%.c | $(MODEL_H)
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) $(TEST_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/dbl/tests/%.o: tests/%.c | $(MODEL_H)
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) $(TEST_CFLAGS) -DPN_REAL_DOUBLE -MMD -MP -c $< -o $@
$(BUILD)/bin/tests: $(TEST_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(SANITIZE) -o $@ $^ $(TEST_LIBS) $(LIBS)
$(BUILD)/bin/tests-double: $(TEST_SRC:%.c=$(BUILD)/dbl/%.o) $(BUILD)/lib/libposenet_double.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(SANITIZE) -o $@ $^ $(TEST_LIBS) $(LIBS)

# Both builds run side by side; either may fail. Check's totals come last.
test: all $(SMALL_PROGRAMS) $(BUILD)/bin/tests $(BUILD)/bin/tests-double
	@$(BUILD)/bin/tests > $(BUILD)/tests.log 2>&1 & one=$$!; \
	$(BUILD)/bin/tests-double > $(BUILD)/tests-double.log 2>&1; double=$$?; wait $$one; float=$$?; \
	echo "The double build, for gradients:"; cat $(BUILD)/tests-double.log; \
	echo "The library as it is installed:"; cat $(BUILD)/tests.log; exit $$((float | double))
gradcheck: $(BUILD)/bin/tests-double
	$(BUILD)/bin/tests-double
tests: $(BUILD)/bin/tests $(BUILD)/bin/tests-double
# All cases, by two processes at a time: most of a test runs on one thread.
run-tests: all $(SMALL_PROGRAMS) $(BUILD)/bin/tests
	@PN_TEST_SHARE=1/2 $(BUILD)/bin/tests > $(BUILD)/tests-1.log 2>&1 & one=$$!; \
	PN_TEST_SHARE=2/2 $(BUILD)/bin/tests > $(BUILD)/tests-2.log 2>&1; other=$$?; wait $$one; first=$$?; \
	cat $(BUILD)/tests-1.log $(BUILD)/tests-2.log; exit $$((first | other))
soak: $(BUILD)/bin/tests
	PN_TEST_ROUNDS=$(or $(SOAK_ROUNDS),2000) CK_DEFAULT_TIMEOUT=36000 CK_RUN_SUITE=graph $(BUILD)/bin/tests
	PN_TEST_ROUNDS=1 CK_RUN_CASE=rsa_gan_learning $(BUILD)/bin/tests
fault: all $(SMALL_PROGRAMS) $(BUILD)/bin/tests
	CK_RUN_SUITE=fault CK_DEFAULT_TIMEOUT=1200 $(BUILD)/bin/tests

# ---- the same with other instruments, in build folders of their own ------------------------------------------------

# Instrumented code hides what is initialised from gcc: its warnings are the ordinary build's business.
CHECKED := WERROR= OPT="-O1 -g -fno-omit-frame-pointer" REF_CFLAGS=-O2
asan:
	@CK_DEFAULT_TIMEOUT=600 $(MAKE) BUILD=$(BUILD)/asan $(CHECKED) SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" run-tests
ubsan:
	@$(MAKE) BUILD=$(BUILD)/ubsan $(CHECKED) SANITIZE="-fsanitize=undefined -fno-sanitize-recover=all" test
tsan:
	@$(MAKE) BUILD=$(BUILD)/tsan $(CHECKED) SANITIZE="-fsanitize=thread" run-tests

# tests/fuzz/fuzz_X.c each hold an LLVMFuzzerTestOneInput; what X has choked on lies in tests/fuzz/corpus/X. No decoder runs a kernel:
# those are not instrumented, which would take clang minutes.
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz:
	@$(MAKE) CC=clang BUILD=$(BUILD)/fuzz $(CHECKED) SANITIZE="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all" \
	  SIMD_CFLAGS="-O0 -fno-sanitize=all" run-fuzzers
$(BUILD)/bin/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS_ALL) $(TEST_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
run-fuzzers: $(FUZZERS:%=$(BUILD)/bin/%)
	@for f in $(FUZZERS); do name=$${f#fuzz_}; mkdir -p $(BUILD)/corpus/$$name; echo "$$f"; \
	  $(BUILD)/bin/$$f -max_total_time=$(or $(FUZZ_SECONDS),20) -rss_limit_mb=3000 -timeout=10 -print_final_stats=1 \
	    -artifact_prefix=$(BUILD)/corpus/$$name- $(BUILD)/corpus/$$name $$(ls -d tests/fuzz/corpus/$$name 2>/dev/null) \
	    > $(BUILD)/corpus/$$name.log 2>&1 || { tail -40 $(BUILD)/corpus/$$name.log; exit 1; }; \
	  grep number_of_executed_units $(BUILD)/corpus/$$name.log; done

# The other processor: its libraries are unpacked in a folder of their own, its tests run under an emulator. gcc 12 for ARM stops with an
# error of its own where it vectorises the tests' loops over doubles.
ARM_ROOT     := $(BUILD)/neon/sysroot/root
ARM_LIBS     := $(abspath $(ARM_ROOT))/usr/lib/aarch64-linux-gnu
ARM_PACKAGES := $(patsubst libopenblas-dev,libopenblas-pthread-dev,$(foreach l,$(LIBRARIES) $(TEST_LIBRARIES),$(lastword $(subst :, ,$(l)))))
neon:
	@sh tests/neon/sysroot.sh $(BUILD)/neon/sysroot $(ARM_PACKAGES)
	@PKG_CONFIG_SYSROOT_DIR=$(abspath $(ARM_ROOT)) PKG_CONFIG_LIBDIR=$(ARM_LIBS)/pkgconfig:$(ARM_LIBS)/openblas-pthread/pkgconfig \
	  $(MAKE) BUILD=$(BUILD)/neon TEST_OPT=-fno-tree-vectorize CC="aarch64-linux-gnu-gcc --sysroot=$(abspath $(ARM_ROOT))" run-neon
run-neon: $(BUILD)/bin/tests
	@for isa in base neon; do for suite in $(or $(NEON_SUITES),kernels ops); do echo "PN_ISA=$$isa, $$suite:"; \
	  PN_ISA=$$isa CK_RUN_SUITE=$$suite CK_DEFAULT_TIMEOUT=1200 LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu/openblas-pthread \
	    qemu-aarch64-static -L $(BUILD)/sysroot/root $< || exit 1; done; done

# What the library exports is exactly what its public headers declare.
check-symbols: $(BUILD)/lib/libposenet.so
	@cat $(PUBLIC_HEADERS) | sed -nE 's/^PN_API [^(]*[ *]([a-z][a-z0-9_]*)\(.*/\1/p' | sort -u > $(BUILD)/declared
	@nm -D --defined-only $< | awk '{ print $$NF }' | sort -u > $(BUILD)/exported
	@diff -u --label declared --label exported $(BUILD)/declared $(BUILD)/exported && \
	  echo "$$(wc -l < $(BUILD)/exported) symbols, all declared and all exported"

# ---- bench: bench/**/bench_X.c each hold a `const pn_bench_case bench_X[]` -----------------------------------------

# bench/simd, the loops that find the machine's ceilings, is compiled once per level like lib/kernels/simd.
BENCH_SRC  := $(filter-out bench/peers/% bench/simd/%,$(wildcard bench/*.c bench/*/*.c))
BENCH_SIMD := $(wildcard bench/simd/*.c)
BENCH_OBJ  := $(BENCH_SRC:%.c=$(BUILD)/obj/%.o) $(foreach l,$(LEVELS),$(BENCH_SIMD:%.c=$(BUILD)/obj/%.$(l).o))
$(BUILD)/gen/bench.def: $(BENCH_SRC) FORCE
	@mkdir -p $(@D)
	@grep -ohE '^const pn_bench_case bench_[a-z0-9_]+\[\]' $(filter %.c,$^) /dev/null | \
	  sed -E 's|.*bench_([a-z0-9_]+).*|BENCH(\1)|' | sort -u > $@.new
	@cmp -s $@.new $@ || cp $@.new $@
$(BUILD)/obj/bench/%.o: bench/%.c | $(MODEL_H) $(BUILD)/gen/bench.def
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CFLAGS_ALL) -Ibench -Iexamples -Imodels -DPN_BENCH_PEERS='"$(CURDIR)/bench/peers"' -MMD -MP -c $< -o $@
$(foreach l,$(LEVELS),$(BENCH_SIMD:%.c=$(BUILD)/obj/%.$(l).o)): CFLAGS_ALL += -Ibench
$(BUILD)/bin/posenet-bench: $(BENCH_OBJ) $(PROGRAM_COMMON:%.c=$(BUILD)/obj/%.o) $(BUILD)/lib/libposenet.a
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(SANITIZE) -o $@ $^ $(LIBS)
bench: $(if $(BENCH_SRC),$(BUILD)/bin/posenet-bench)
	@$(if $(BENCH_SRC),$(BUILD)/bin/posenet-bench $(BENCH_ARGS),echo "there is no bench yet")

# ---- demo ----------------------------------------------------------------------------------------------------------

demo: all
	@BIN=$(BUILD)/bin OUT=$(BUILD)/demo MODEL=$(MODEL) sh examples/demo.sh

# ---- install -------------------------------------------------------------------------------------------------------

PUBLIC_HEADERS := lib/posenet.h $(wildcard lib/posenet/*.h) models/model.h
define POSENET_PC
prefix=$(PREFIX)
includedir=$${prefix}/include
libdir=$${prefix}/lib

Name: posenet
Description: Neural networks in C, and person image generation with them
Version: $(VERSION)
Requires.private: $(PACKAGES)
Libs: -L$${libdir} -lposenet
Libs.private: -lm -pthread
Cflags: -I$${includedir}
endef
export POSENET_PC
INTO := $(DESTDIR)$(PREFIX)
MAN := page() { text=$$("$$@" --help) && echo "$$text" | awk -v version=$(VERSION) -f examples/man.awk; }; page
install: all
	install -d $(INTO)/lib/pkgconfig $(INTO)/include/posenet $(INTO)/bin $(INTO)/share/man/man1
	install -m 644 $(BUILD)/lib/libposenet.a $(INTO)/lib
	install -m 755 $(BUILD)/lib/libposenet.so $(INTO)/lib/libposenet.so.0
	ln -sf libposenet.so.0 $(INTO)/lib/libposenet.so
	install -m 644 lib/posenet.h $(INTO)/include
	install -m 644 $(wildcard lib/posenet/*.h) models/model.h $(INTO)/include/posenet
	echo "$$POSENET_PC" > $(INTO)/lib/pkgconfig/posenet.pc
	$(if $(INSTALLED_PROGRAMS),install -m 755 $(INSTALLED_PROGRAMS) $(INTO)/bin)
	for program in $(INSTALLED_PROGRAMS); do $(MAN) $$program > $(INTO)/share/man/man1/$${program##*/}.1 || exit 1; done
	for word in synth prepare check draw keypoints; do \
		$(MAN) $(BUILD)/bin/posenet-data $$word > $(INTO)/share/man/man1/posenet-data-$$word.1 || exit 1; done

FORCE:
.PHONY: all test gradcheck tests run-tests soak fault asan ubsan tsan fuzz run-fuzzers neon run-neon check-symbols bench demo install FORCE

-include $(shell find $(BUILD)/obj $(BUILD)/dbl -name '*.d' 2>/dev/null)

endif
