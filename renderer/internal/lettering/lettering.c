#include "lettering.h"

#include <pango/pangocairo.h>
#include <stdlib.h>

static PangoLayout *layout_of(TmText *t, cairo_t *cr) {
	PangoLayout *layout = pango_cairo_create_layout(cr);
	PangoFontDescription *font = pango_font_description_from_string(t->font);
	pango_font_description_set_absolute_size(font, t->size * PANGO_SCALE);
	pango_layout_set_font_description(layout, font);
	pango_layout_set_text(layout, t->text, (int)t->length);
	pango_font_description_free(font);
	return layout;
}

/* The lines' height, and all of the ink: some letters reach beyond their lines. */
static PangoRectangle extents_of(PangoLayout *layout) {
	PangoRectangle ink, lines;
	pango_layout_get_pixel_extents(layout, &ink, &lines);
	int left = MIN(ink.x, lines.x), top = MIN(ink.y, lines.y);
	int right = MAX(ink.x + ink.width, lines.x + lines.width), bottom = MAX(ink.y + ink.height, lines.y + lines.height);
	return (PangoRectangle){left, top, MAX(1, right - left), MAX(1, bottom - top)};
}

static unsigned char *pixels_of(cairo_surface_t *surface, int width, int height) {
	unsigned char *out = malloc((size_t)width * height * 4);
	int stride = cairo_image_surface_get_stride(surface);
	const unsigned char *in = cairo_image_surface_get_data(surface);
	for (int y = 0; out && y < height; y++)
		for (int x = 0; x < width; x++) {
			guint32 pixel = ((const guint32 *)(in + (size_t)y * stride))[x], alpha = pixel >> 24;
			unsigned char *to = out + ((size_t)y * width + x) * 4;
			for (int c = 0; c < 3; c++)
				to[c] = alpha ? MIN(255, (((pixel >> (16 - 8 * c)) & 255) * 255 + alpha / 2) / alpha) : 0;
			to[3] = alpha;
		}
	return out;
}

static int draw(TmText *t, PangoLayout *layout) {
	PangoRectangle box = extents_of(layout);
	if (box.width > 32767 || box.height > 32767 || (long long)box.width * box.height > t->most)
		return TM_TEXT_TOO_LARGE;
	cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, box.width, box.height);
	cairo_t *cr = cairo_create(surface);
	cairo_set_source_rgba(cr, t->red, t->green, t->blue, t->alpha);
	cairo_move_to(cr, -box.x, -box.y);
	pango_cairo_show_layout(cr, layout);
	cairo_status_t status = cairo_status(cr);
	cairo_destroy(cr);
	cairo_surface_flush(surface);
	if (status == CAIRO_STATUS_SUCCESS)
		t->pixels = pixels_of(surface, box.width, box.height);
	cairo_surface_destroy(surface);
	t->width = box.width, t->height = box.height;
	return t->pixels ? TM_TEXT_DRAWN : TM_TEXT_FAILED;
}

int tm_text(TmText *t) {
	cairo_surface_t *nothing = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
	cairo_t *cr = cairo_create(nothing);
	PangoLayout *layout = layout_of(t, cr);
	int result = draw(t, layout);
	g_object_unref(layout);
	cairo_destroy(cr);
	cairo_surface_destroy(nothing);
	return result;
}
