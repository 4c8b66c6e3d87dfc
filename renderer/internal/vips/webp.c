#include "webp.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/encode.h>

static int suits(const WebPBitstreamFeatures *f, int width, int height) {
	const int lossy = 1;
	return f->width == width && f->height == height && !f->has_alpha && !f->has_animation && f->format == lossy;
}

/* The filter between blocks, which no other block depends on, would be averaged away. */
int tm_webp_planes(const unsigned char *file, size_t length, int width, int height, int to_width, int to_height,
	unsigned char *const samples[3], const int stride[3]) {
	WebPDecoderConfig c;
	WebPYUVABuffer *to = &c.output.u.YUVA;
	if (!WebPInitDecoderConfig(&c) || WebPGetFeatures(file, length, &c.input) != VP8_STATUS_OK || !suits(&c.input, width, height))
		return -1;
	c.options.bypass_filtering = c.options.use_scaling = 1;
	c.options.scaled_width = to_width;
	c.options.scaled_height = to_height;
	c.output.colorspace = MODE_YUV;
	c.output.is_external_memory = 1;
	to->y = samples[0];
	to->u = samples[1];
	to->v = samples[2];
	to->y_stride = stride[0];
	to->u_stride = stride[1];
	to->v_stride = stride[2];
	to->y_size = (size_t) stride[0] * to_height;
	to->u_size = (size_t) stride[1] * ((to_height + 1) / 2);
	to->v_size = (size_t) stride[2] * ((to_height + 1) / 2);
	return WebPDecode(file, length, &c) == VP8_STATUS_OK ? 0 : -1;
}

/* Returns a copy of a plane's samples, rounded, or of no colour if there is no plane. */
static unsigned char *rounded(const TmPlane *p, size_t count) {
	unsigned char *out = malloc(count);
	if (out && !p)
		memset(out, 128, count);
	else if (out && p->bytes)
		memcpy(out, p->bytes, count);
	else if (out)
		for (size_t i = 0; i < count; i++)
			out[i] = (unsigned char) (p->samples[i] + 0.5f);
	return out;
}

static int encode(const TmPlanes *p, const WebPConfig *config, unsigned char *const copy[3], int stride, WebPMemoryWriter *writer) {
	WebPPicture picture;
	if (!WebPPictureInit(&picture))
		return VP8_ENC_ERROR_INVALID_CONFIGURATION;
	picture.width = p->plane[0].width;
	picture.height = p->plane[0].height;
	picture.y = copy[0];
	picture.u = copy[1];
	picture.v = copy[2];
	picture.y_stride = p->plane[0].stride;
	picture.uv_stride = stride;
	picture.writer = WebPMemoryWrite;
	picture.custom_ptr = writer;
	const int error = WebPEncode(config, &picture) ? 0 : picture.error_code;
	WebPPictureFree(&picture);
	return error;
}

int tm_webp(const TmPlanes *p, int quality, int method, unsigned char **out, size_t *length) {
	const int colours = p->count == 3, stride = colours ? p->plane[1].stride : (p->plane[0].width + 1) / 2;
	const size_t count = (size_t) stride * ((p->plane[0].height + 1) / 2);
	unsigned char *copy[3] = {rounded(&p->plane[0], (size_t) p->plane[0].stride * p->plane[0].height),
		rounded(colours ? &p->plane[1] : NULL, count), rounded(colours ? &p->plane[2] : NULL, count)};
	int error = VP8_ENC_ERROR_OUT_OF_MEMORY;
	WebPMemoryWriter writer;
	WebPConfig config;
	WebPMemoryWriterInit(&writer);
	if (copy[0] && copy[1] && copy[2])
		error = VP8_ENC_ERROR_INVALID_CONFIGURATION;
	if (error == VP8_ENC_ERROR_INVALID_CONFIGURATION && WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float) quality)) {
		config.method = method;
		error = encode(p, &config, copy, stride, &writer);
	}
	for (int i = 0; i < 3; i++)
		free(copy[i]);
	*out = writer.mem;
	*length = writer.size;
	return error;
}

void tm_webp_free(void *p) { WebPFree(p); }
