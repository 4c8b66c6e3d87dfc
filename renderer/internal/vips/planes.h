/* Pictures as planes: luma, and two of chroma that may be smaller, each scaled from
 * what a JPEG decodes to without going by RGB. */
#ifndef THUMBMILL_PLANES_H
#define THUMBMILL_PLANES_H

/* 8-bit samples, row by row; they stay the caller's. */
typedef struct {
	int width, height, stride;
	const unsigned char *samples;
} TmSamples;

/* One component, 0 to 255, in rows of stride; what is beyond width and height, up to
 * whole blocks, repeats the edge. */
typedef struct {
	int width, height, stride, rows;
	float *samples;
} TmPlane;

/* 1 plane is grey, 3 are Y, Cb and Cr as in JFIF. */
typedef struct {
	int count;
	TmPlane plane[3];
} TmPlanes;

/* How the samples of a row (or a column) are made: number i is around start + (i + 1/2) * step
 * in the source, whose samples have their centres at 1/2, 3/2 …; a step below 0 mirrors. Only
 * those from low on and below high are looked at. */
typedef struct {
	double start, step;
	int low, high;
} TmAxis;

/* Planes of width x height, chroma of half of that, rounded up, where halved. NULL: no memory. */
TmPlanes *tm_planes_new(int count, int width, int height, int halved);
void tm_planes_free(TmPlanes *p);
/* Scales into a plane by Lanczos' filter of three lobes. -1: no memory. */
int tm_plane_scale(const TmSamples *in, const TmAxis *across, const TmAxis *down, TmPlane *out);
/* Exchanges rows and columns, into a plane whose sides are exchanged. */
void tm_plane_transpose(const TmPlane *in, TmPlane *out);
/* sharp = in + amount * (in - blurred), clamped. -1: no memory. */
int tm_plane_unsharp(TmPlane *p, double sigma, double amount);
/* Whether no sample differs from half by as much as is rounded. */
int tm_plane_neutral(const TmPlane *p);
/* Writes rows of 1 or 3 bytes a pixel; all planes are of the same size. */
void tm_planes_join(const TmPlanes *p, unsigned char *out);

#endif
