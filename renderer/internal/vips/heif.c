#include "heif.h"

#include <libheif/heif.h>
#include <stdlib.h>

struct TmHeif {
	struct heif_context *context;
	struct heif_image_handle *handle;
	struct heif_image *image;
};

/* libheif up to 1.18 converts every picture to planes first (HeifContext::decode_image_planar). Later versions choose
   among conversions that differ. The number is 0xHHMMLL00. */
int tm_heif_has_planes(void) { return heif_get_version_number() < 0x01130000; }

static int suits(const struct heif_image_handle *h) {
	return heif_image_handle_get_luma_bits_per_pixel(h) == 8 && !heif_image_handle_has_alpha_channel(h);
}

static int decode(TmHeif *h, const void *file, size_t length) {
	if (!(h->context = heif_context_alloc()) || heif_context_read_from_memory_without_copy(h->context, file, length, NULL).code ||
		heif_context_get_primary_image_handle(h->context, &h->handle).code || !suits(h->handle))
		return -1;
	return heif_decode_image(h->handle, &h->image, heif_colorspace_RGB, heif_chroma_444, NULL).code ? -1 : 0;
}

/* Sets p to one channel of the image. -1: the channel has another size or depth. */
static int channel(const struct heif_image *i, enum heif_channel c, int width, int height, TmSamples *p) {
	p->samples = heif_image_get_plane_readonly(i, c, &p->stride);
	p->width = heif_image_get_width(i, c);
	p->height = heif_image_get_height(i, c);
	return p->samples && p->width == width && p->height == height && heif_image_get_bits_per_pixel(i, c) == 8 ? 0 : -1;
}

TmHeif *tm_heif_decode(const void *file, size_t length, int width, int height, TmSamples planes[3]) {
	TmHeif *h = calloc(1, sizeof(TmHeif));
	if (!h || decode(h, file, length) || channel(h->image, heif_channel_R, width, height, &planes[0]) ||
		channel(h->image, heif_channel_G, width, height, &planes[1]) || channel(h->image, heif_channel_B, width, height, &planes[2])) {
		tm_heif_free(h);
		return NULL;
	}
	return h;
}

void tm_heif_free(TmHeif *h) {
	if (!h)
		return;
	heif_image_release(h->image);
	heif_image_handle_release(h->handle);
	heif_context_free(h->context);
	free(h);
}
