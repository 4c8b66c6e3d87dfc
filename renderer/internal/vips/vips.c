#include "vips.h"

#include <signal.h>
#include <string.h>

int tm_init(void) {
	/* Go ignores the one and crashes at the other; the parent is to see which limit it was. */
	signal(SIGXCPU, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (vips_init("thumbmill-worker"))
		return -1;
	vips_block_untrusted_set(TRUE);
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_leak_set(FALSE);
	return 0;
}

static VipsSource *source_of(int fd) { return vips_source_new_from_descriptor(fd); }

int tm_open(int fd, const char *options, int random, VipsImage **out) {
	VipsSource *source = source_of(fd);
	if (!source)
		return -1;
	*out = vips_image_new_from_source(source, options,
		"access", random ? VIPS_ACCESS_RANDOM : VIPS_ACCESS_SEQUENTIAL, NULL);
	VIPS_UNREF(source);
	return *out ? 0 : -1;
}

int tm_thumbnail(int fd, const char *options, int width, int height, VipsImage **out) {
	VipsSource *source = source_of(fd);
	int result;
	if (!source)
		return -1;
	result = vips_thumbnail_source(source, out, width, "height", height,
		"size", VIPS_SIZE_FORCE, "option_string", options, NULL);
	VIPS_UNREF(source);
	return result;
}

int tm_resize(VipsImage *in, int width, int height, VipsImage **out) {
	return vips_thumbnail_image(in, out, width, "height", height,
		"size", VIPS_SIZE_FORCE, "no_rotate", TRUE, NULL);
}

int tm_settle(VipsImage *in, VipsImage **out) {
	*out = vips_image_copy_memory(in);
	return *out ? 0 : -1;
}

int tm_upright(VipsImage *in, VipsImage **out) { return vips_autorot(in, out, NULL); }

int tm_extract(VipsImage *in, int left, int top, int width, int height, VipsImage **out) {
	return vips_extract_area(in, out, left, top, width, height, NULL);
}

int tm_attention(VipsImage *in, int width, int height, VipsImage **out) {
	return vips_smartcrop(in, out, width, height, "interesting", VIPS_INTERESTING_ATTENTION, NULL);
}

int tm_find_trim(VipsImage *in, int bottom_right, double tolerance, int *left, int *top, int *width, int *height) {
	double *corner = NULL;
	VipsArrayDouble *background;
	int bands, result;
	if (vips_getpoint(in, &corner, &bands, bottom_right ? in->Xsize - 1 : 0, bottom_right ? in->Ysize - 1 : 0, NULL))
		return -1;
	background = vips_array_double_new(corner, vips_image_hasalpha(in) ? bands - 1 : bands);
	result = vips_find_trim(in, left, top, width, height, "threshold", tolerance, "background", background, NULL);
	vips_area_unref(VIPS_AREA(background));
	g_free(corner);
	return result;
}

int tm_rotate(VipsImage *in, int degrees, VipsImage **out) {
	VipsAngle angle = degrees == 90 ? VIPS_ANGLE_D90 : degrees == 180 ? VIPS_ANGLE_D180 : VIPS_ANGLE_D270;
	return vips_rot(in, out, angle, NULL);
}

int tm_flip(VipsImage *in, int vertical, VipsImage **out) {
	return vips_flip(in, out, vertical ? VIPS_DIRECTION_VERTICAL : VIPS_DIRECTION_HORIZONTAL, NULL);
}

/* sharp = in + amount * (in - blurred) where they differ by the threshold at least */
static int unsharp_colours(VipsObject *scope, VipsImage *in, double sigma, double amount, double threshold, VipsImage **out) {
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 8);
	if (vips_gaussblur(in, &t[0], sigma, NULL) || vips_subtract(in, t[0], &t[1], NULL) ||
		vips_linear1(t[1], &t[2], amount, 0, NULL) || vips_add(in, t[2], &t[3], NULL) ||
		vips_cast_uchar(t[3], &t[4], NULL))
		return -1;
	if (threshold <= 0) {
		*out = t[4];
		g_object_ref(*out);
		return 0;
	}
	return vips_abs(t[1], &t[5], NULL) || vips_moreeq_const1(t[5], &t[6], threshold, NULL) ||
		vips_ifthenelse(t[6], t[4], in, out, NULL);
}

int tm_unsharp(VipsImage *in, double sigma, double amount, double threshold, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	int result;
	if (!vips_image_hasalpha(in)) {
		result = unsharp_colours(scope, in, sigma, amount, threshold, out);
	} else {
		result = vips_extract_band(in, &t[0], 0, "n", in->Bands - 1, NULL) ||
			vips_extract_band(in, &t[1], in->Bands - 1, NULL) ||
			unsharp_colours(scope, t[0], sigma, amount, threshold, &t[2]) || vips_bandjoin2(t[2], t[1], out, NULL);
	}
	g_object_unref(scope);
	return result;
}

static void *strip_field(VipsImage *image, const char *name, GValue *value, void *unused) {
	if (strcmp(name, VIPS_META_ICC_NAME) != 0 &&
		(g_str_has_prefix(name, "exif") || g_str_has_suffix(name, "-data") ||
			g_str_has_prefix(name, "png-comment") || g_str_has_prefix(name, "gif-") ||
			strcmp(name, VIPS_META_ORIENTATION) == 0))
		vips_image_remove(image, name);
	return NULL;
}

int tm_finish(VipsImage *in, int flatten, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	VipsInterpretation space = in->Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	int result = -1;
	if (vips_colourspace(in, &t[0], space, NULL))
		goto done;
	if (flatten && vips_image_hasalpha(t[0])) {
		VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
		int failed = vips_flatten(t[0], &t[1], "background", white, NULL);
		vips_area_unref(VIPS_AREA(white));
		if (failed)
			goto done;
	} else {
		t[1] = t[0];
		g_object_ref(t[1]);
	}
	/* A copy: the metadata of an image that others use must not change. */
	if (vips_cast_uchar(t[1], &t[2], NULL) || vips_copy(t[2], out, NULL))
		goto done;
	vips_image_map(*out, strip_field, NULL);
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

int tm_orientation(VipsImage *in) { return vips_image_get_orientation(in); }

int tm_save_jpeg(VipsImage *in, int fd, int quality, int full_chroma, int progressive) {
	VipsTarget *target = vips_target_new_to_descriptor(fd);
	int result = vips_jpegsave_target(in, target, "Q", quality, "optimize_coding", TRUE, "interlace", progressive,
		"subsample_mode", full_chroma ? VIPS_FOREIGN_SUBSAMPLE_OFF : VIPS_FOREIGN_SUBSAMPLE_ON, NULL);
	VIPS_UNREF(target);
	return result;
}

int tm_save_png(VipsImage *in, int fd, int progressive) {
	VipsTarget *target = vips_target_new_to_descriptor(fd);
	int result = vips_pngsave_target(in, target, "compression", 6, "interlace", progressive,
		"filter", VIPS_FOREIGN_PNG_FILTER_ALL, NULL);
	VIPS_UNREF(target);
	return result;
}

int tm_save_webp(VipsImage *in, int fd, int quality) {
	VipsTarget *target = vips_target_new_to_descriptor(fd);
	int result = vips_webpsave_target(in, target, "Q", quality, NULL);
	VIPS_UNREF(target);
	return result;
}

int tm_save_gif(VipsImage *in, int fd) {
	VipsTarget *target = vips_target_new_to_descriptor(fd);
	int result = vips_gifsave_target(in, target, NULL);
	VIPS_UNREF(target);
	return result;
}
