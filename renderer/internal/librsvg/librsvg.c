#include "librsvg.h"

#include <librsvg/rsvg.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>

/* librsvg is written in Rust: what its authors thought impossible ends the process by abort(). */
static _Thread_local sigjmp_buf before_abort;

static void on_abort(int signal) {
	(void) signal;
	siglongjmp(before_abort, 1);
}

/* Absent sides are 100 %. */
static int whole(gboolean present, RsvgLength side) {
	return !present || (side.unit == RSVG_UNIT_PERCENT && side.length == 1);
}

/* The drawing's own size. Where it has none but its viewBox's proportion, it is as large as that. */
static int own_size(RsvgHandle *handle, double *width, double *height) {
	gboolean has_width, has_height, has_box;
	RsvgLength w, h;
	RsvgRectangle box;
	if (rsvg_handle_get_intrinsic_size_in_pixels(handle, width, height))
		return *width > 0 && *height > 0;
	rsvg_handle_get_intrinsic_dimensions(handle, &has_width, &w, &has_height, &h, &has_box, &box);
	if (!has_box || !whole(has_width, w) || !whole(has_height, h))
		return 0;
	*width = box.width;
	*height = box.height;
	return *width > 0 && *height > 0;
}

/* What cairo has, multiplied by alpha and in the order of the machine's words, as its own writer of PNG has it. */
static void straight(unsigned char *pixels, size_t count) {
	for (size_t i = 0; i < count; i++, pixels += 4) {
		guint32 p = *(guint32 *) (void *) pixels;
		unsigned alpha = p >> 24, half = alpha / 2;
		if (alpha == 255) { /* most pixels, and divisions take time */
			pixels[0] = (unsigned char) (p >> 16);
			pixels[1] = (unsigned char) (p >> 8);
			pixels[2] = (unsigned char) p;
			pixels[3] = 255;
			continue;
		}
		if (!alpha) {
			pixels[0] = pixels[1] = pixels[2] = pixels[3] = 0;
			continue;
		}
		pixels[0] = (unsigned char) (((p >> 16 & 255) * 255 + half) / alpha);
		pixels[1] = (unsigned char) (((p >> 8 & 255) * 255 + half) / alpha);
		pixels[2] = (unsigned char) (((p & 255) * 255 + half) / alpha);
		pixels[3] = (unsigned char) alpha;
	}
}

/* The sides at which it is drawn, of which the last pixel may be covered in part. */
static int drawn_size(TmSvg *s, double own_width, double own_height, double *width, double *height) {
	*width = s->width ? s->width : s->height ? own_width * s->height / own_height : own_width;
	*height = s->height ? s->height : s->width ? own_height * s->width / own_width : own_height;
	if (!(*width >= 1 && *width <= 32767 && *height >= 1 && *height <= 32767))
		return 0;
	s->drawn_width = (int) ceil(*width);
	s->drawn_height = (int) ceil(*height);
	return (long long) s->drawn_width * s->drawn_height <= s->most;
}

static int render(TmSvg *s, RsvgHandle *handle, cairo_surface_t **surface) {
	double own_width, own_height, width, height;
	cairo_t *context;
	int done;
	rsvg_handle_set_dpi(handle, 96); /* as browsers and rsvg-convert have it */
	if (!own_size(handle, &own_width, &own_height) || !drawn_size(s, own_width, own_height, &width, &height))
		return 0;
	*surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, s->drawn_width, s->drawn_height);
	context = cairo_create(*surface);
	/* Sides can be asked for in another proportion than the drawing's, which a viewport would keep. */
	cairo_scale(context, width / own_width, height / own_height);
	RsvgRectangle area = {0, 0, own_width, own_height};
	done = rsvg_handle_render_document(handle, context, &area, NULL) && cairo_status(context) == CAIRO_STATUS_SUCCESS;
	cairo_destroy(context);
	cairo_surface_flush(*surface);
	return done && cairo_surface_status(*surface) == CAIRO_STATUS_SUCCESS;
}

static int draw(TmSvg *s) {
	GInputStream *stream = g_memory_input_stream_new_from_data(s->text, (gssize) s->length, NULL);
	RsvgHandle *handle = rsvg_handle_new_from_stream_sync(stream, NULL, s->unlimited ? RSVG_HANDLE_FLAG_UNLIMITED : RSVG_HANDLE_FLAGS_NONE, NULL, NULL);
	cairo_surface_t *surface = NULL;
	int done = 0;
	if (handle) {
		done = render(s, handle, &surface);
		g_object_unref(handle);
	}
	g_object_unref(stream);
	if (done) {
		s->surface = surface;
		s->pixels = cairo_image_surface_get_data(surface); /* its rows have no gaps: four bytes a pixel */
		straight(s->pixels, (size_t) s->drawn_width * (size_t) s->drawn_height);
	} else if (surface)
		cairo_surface_destroy(surface);
	return done ? TM_SVG_DRAWN : TM_SVG_FAILED;
}

int tm_svg(TmSvg *s, int *aborted) {
	struct sigaction own = {.sa_handler = on_abort, .sa_flags = SA_ONSTACK}, others;
	volatile int result = TM_SVG_FAILED;
	*aborted = 0;
	sigaction(SIGABRT, &own, &others);
	if (sigsetjmp(before_abort, 1))
		*aborted = 1; /* with all that it holds */
	else
		result = draw(s);
	sigaction(SIGABRT, &others, NULL);
	return result;
}

void tm_svg_free(TmSvg *s) { cairo_surface_destroy(s->surface); }

int tm_svg_version(void) { return (int)(rsvg_major_version * 1000 + rsvg_minor_version); }
