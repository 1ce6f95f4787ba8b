/* video.h - frames to a video file, through the ffmpeg program */
#ifndef VIDEO_H
#define VIDEO_H

#include "posenet.h"

#include <sys/types.h>

enum { VIDEO_WHY = 256 };
/* What went wrong first is kept in why, "" if nothing has; after that frames go nowhere. */
typedef struct {
    const char *path;
    char *part;                     /* written under this name, renamed when it is whole */
    pid_t ffmpeg;
    int pipe;
    char why[VIDEO_WHY];
} video;

/* Start ffmpeg for frames of height x width RGB bytes, so many a second. path ends in .mp4; it is replaced once all is written. */
void video_begin(video *v, const char *path, ptrdiff_t height, ptrdiff_t width, int rate);
void video_frame(video *v, const uint8_t *pixels, size_t bytes);
/* Wait for ffmpeg. true: the file is there and whole; else why says what to do, and a file of before is as it was. */
bool video_end(video *v);
void video_cancel(video *v);    /* instead: leaves nothing */

#endif
