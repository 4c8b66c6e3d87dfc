#include "vips.h"

#include <signal.h>
#include <string.h>

void tm_default_signals(void) {
	signal(SIGXCPU, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}

int tm_init(void) {
	if (vips_init("thumbmill-worker"))
		return -1;
	/* Blocks all loaders that libvips distrusts, except two formats that the sandbox makes safe enough. */
	vips_block_untrusted_set(TRUE);
	vips_operation_block_set("VipsForeignLoadJxl", FALSE);
	vips_operation_block_set("VipsForeignSaveJxl", FALSE);
	vips_operation_block_set("VipsForeignLoadJp2k", FALSE);
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_leak_set(FALSE);
	return 0;
}

int tm_has(const char *operation) { return vips_type_find("VipsOperation", operation) != 0; }

static VipsSource *source_of(int fd) { return vips_source_new_from_descriptor(fd); }

/* libvips does not recognise a HEIF with a brand of sequences. It can read the picture beside the
   sequence all the same. */
static gboolean sequence(VipsSource *source) {
	const unsigned char *head = vips_source_sniff(source, 12);
	return head && (!memcmp(head + 4, "ftypavis", 8) || !memcmp(head + 4, "ftypmsf1", 8) || !memcmp(head + 4, "ftyphevc", 8));
}

int tm_open(int fd, const char *options, int random, VipsImage **out) {
	VipsSource *source = source_of(fd);
	VipsAccess access;
	if (!source)
		return -1;
	access = random ? VIPS_ACCESS_RANDOM : VIPS_ACCESS_SEQUENTIAL;
	if (sequence(source)) {
		if (vips_heifload_source(source, out, "access", access, "n", strcmp(options, "[n=-1]") ? 1 : -1, NULL))
			*out = NULL;
	} else
		*out = vips_image_new_from_source(source, options, "access", access, NULL);
	VIPS_UNREF(source);
	return *out ? 0 : -1;
}

int tm_open_heif(const void *file, size_t length, VipsImage **out) {
	return vips_heifload_buffer((void *) file, length, out, "access", VIPS_ACCESS_RANDOM, NULL);
}

int tm_open_memory(const void *body, size_t length, const char *options, int random, VipsImage **out) {
	*out = vips_image_new_from_buffer(body, length, options,
		"access", random ? VIPS_ACCESS_RANDOM : VIPS_ACCESS_SEQUENTIAL, NULL);
	return *out ? 0 : -1;
}

int tm_raster(const void *pixels, int width, int height, int bands, VipsImage **out) {
	VipsImage *raw;
	int result;
	if (bands != 1 && bands != 3 && bands != 4) {
		vips_error("thumbmill", "a raster of %d bands", bands);
		return -1;
	}
	raw = vips_image_new_from_memory(pixels, (size_t) width * height * bands, width, height, bands, VIPS_FORMAT_UCHAR);
	if (!raw)
		return -1;
	result = vips_copy(raw, out, "interpretation", bands == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL);
	VIPS_UNREF(raw);
	return result;
}

/* Converts inks without a profile: each ink takes away from the light that the black leaves. */
static int plain_inks(VipsObject *scope, VipsImage *in, VipsImage **out) {
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 10);
	if (vips_cast_uchar(in, &t[0], "shift", in->BandFmt == VIPS_FORMAT_USHORT, NULL) || vips_invert(t[0], &t[1], NULL) ||
		vips_extract_band(t[1], &t[2], 0, "n", 3, NULL) || vips_extract_band(t[1], &t[3], 3, NULL) ||
		vips_multiply(t[2], t[3], &t[4], NULL) || vips_linear1(t[4], &t[5], 1 / 255.0, 0.5, NULL) ||
		vips_cast_uchar(t[5], &t[6], NULL))
		return -1;
	if (in->Bands > 4) { /* the last band is alpha, not ink */
		if (vips_invert(t[1], &t[7], NULL) || vips_extract_band(t[7], &t[8], in->Bands - 1, NULL) || vips_bandjoin2(t[6], t[8], &t[9], NULL))
			return -1;
	} else {
		t[9] = t[6];
		g_object_ref(t[9]);
	}
	return vips_copy(t[9], out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
}

/* Converts to the space for averaging pixels: sRGB or grey, of the same depth. */
static int to_processing(VipsObject *scope, VipsImage *in, VipsImage **out) {
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	gboolean deep;
	VipsInterpretation space;
	if (tm_samples(in, &t[2]))
		return -1;
	in = t[2];
	if (in->Type == VIPS_INTERPRETATION_CMYK && vips_image_get_typeof(in, VIPS_META_ICC_NAME) &&
		!vips_icc_import(in, &t[0], "embedded", TRUE, "pcs", VIPS_PCS_XYZ, NULL)) {
		if (vips_copy(t[0], &t[1], NULL))
			return -1;
		vips_image_remove(t[1], VIPS_META_ICC_NAME); /* the profile is for inks, and no inks are left */
		in = t[1];
	} else if (in->Type == VIPS_INTERPRETATION_CMYK && in->Bands >= 4) {
		vips_error_clear(); /* the errors of a broken profile */
		return plain_inks(scope, in, out);
	}
	deep = in->Type == VIPS_INTERPRETATION_RGB16 || in->Type == VIPS_INTERPRETATION_GREY16;
	space = in->Bands < 3 ? (deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
						  : (deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
	return vips_colourspace(in, out, space, NULL);
}

/* Rounds floats to 8 or 16 bits. */
static int rounded(VipsObject *scope, VipsImage *in, VipsBandFormat format, VipsImage **out) {
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 1);
	return vips_rint(in, &t[0], NULL) || vips_cast(t[0], out, format, NULL);
}

/* vips_resize enlarges about the corners of pixels, which moves a picture half a pixel to the right
   and down. This function therefore enlarges a growing side itself, about the centres of pixels. */
static int resize(VipsObject *scope, VipsImage *in, int width, int height, VipsKernel kernel, VipsImage **out) {
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 1);
	double x = (double) width / in->Xsize, y = (double) height / in->Ysize;
	VipsInterpolate *cubic;
	VipsArrayInt *area;
	int result;
	if (x <= 1 && y <= 1)
		return vips_resize(in, out, x, "vscale", y, "kernel", kernel, NULL);
	if (vips_resize(in, &t[0], VIPS_MIN(x, 1), "vscale", VIPS_MIN(y, 1), "kernel", kernel, NULL) || !(cubic = vips_interpolate_new("bicubic")))
		return -1;
	area = vips_array_int_newv(4, 0, 0, width, height);
	result = vips_affine(t[0], out, VIPS_MAX(x, 1), 0, 0, VIPS_MAX(y, 1), "interpolate", cubic, "oarea", area, "extend", VIPS_EXTEND_COPY,
		"premultiplied", TRUE, "idx", 0.5, "idy", 0.5, "odx", -0.5, "ody", -0.5, NULL);
	vips_area_unref(VIPS_AREA(area));
	g_object_unref(cubic);
	return result;
}

int tm_scale(VipsImage *in, int width, int height, int soft, int precise, int premultiplied, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 8);
	gboolean alpha;
	VipsBandFormat format;
	int result = -1;
	if (to_processing(scope, in, &t[0]))
		goto done;
	in = t[0];
	alpha = vips_image_hasalpha(in);
	format = in->BandFmt;
	if (in->Xsize == width && in->Ysize == height && !(alpha && premultiplied)) {
		*out = in;
		g_object_ref(in);
		result = 0;
		goto done;
	}
	if (alpha) {
		if (premultiplied) {
			t[2] = in;
			g_object_ref(in);
		} else if (vips_premultiply(in, &t[1], NULL) || vips_cast(t[1], &t[2], format, NULL))
			goto done;
		in = t[2];
	}
	precise = precise || format == VIPS_FORMAT_USHORT;
	if (precise) {
		if (vips_cast_float(in, &t[6], NULL))
			goto done;
		in = t[6];
	}
	if (resize(scope, in, width, height, soft || alpha ? VIPS_KERNEL_MITCHELL : VIPS_KERNEL_LANCZOS3, &t[3]))
		goto done;
	in = t[3];
	if (precise) {
		if (rounded(scope, in, format, &t[7]))
			goto done;
		in = t[7];
	}
	if (alpha) {
		if (vips_unpremultiply(in, &t[4], NULL) || vips_cast(t[4], &t[5], format, NULL))
			goto done;
		in = t[5];
	}
	*out = in;
	g_object_ref(in);
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

int tm_frame(VipsImage *frames, int i, int height, VipsImage **out) {
	VipsImage *frame;
	if (vips_extract_area(frames, &frame, 0, i * height, frames->Xsize, height, NULL))
		return -1;
	*out = vips_image_copy_memory(frame);
	VIPS_UNREF(frame);
	if (!*out)
		return -1;
	vips_image_remove(*out, VIPS_META_N_PAGES);
	vips_image_remove(*out, VIPS_META_PAGE_HEIGHT);
	(*out)->Xoffset = (*out)->Yoffset = 0;
	return 0;
}

/* copy_metadata copies one field of metadata to another image. */
static void copy_metadata(VipsImage *from, VipsImage *to, const char *name) {
	GValue value = {0};
	if (!vips_image_get_typeof(from, name) || vips_image_get(from, name, &value))
		return;
	vips_image_set(to, name, &value);
	g_value_unset(&value);
}

int tm_join(VipsImage *original, const void *pixels, int width, int height, int bands, int count, VipsImage **out) {
	VipsImage *raw = vips_image_new_from_memory(pixels, (size_t) width * height * bands * count, width, height * count, bands, VIPS_FORMAT_UCHAR);
	int result;
	if (!raw)
		return -1;
	result = vips_copy(raw, out, "interpretation", bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL);
	VIPS_UNREF(raw);
	if (result)
		return -1;
	vips_image_set_int(*out, VIPS_META_PAGE_HEIGHT, height);
	vips_image_set_int(*out, VIPS_META_N_PAGES, count);
	copy_metadata(original, *out, "delay");
	copy_metadata(original, *out, "loop");
	return 0;
}

int tm_settle(VipsImage *in, VipsImage **out) {
	*out = vips_image_copy_memory(in);
	return *out ? 0 : -1;
}

int tm_colours(VipsImage *in, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	int result = -1;
	if (to_processing(scope, in, &t[0]) ||
		vips_colourspace(t[0], &t[1], VIPS_INTERPRETATION_sRGB, NULL) ||
		vips_extract_band(t[1], &t[2], 0, "n", VIPS_MIN(t[1]->Bands, 4), NULL) || vips_cast_uchar(t[2], &t[3], NULL))
		goto done;
	*out = vips_image_copy_memory(t[3]);
	result = *out ? 0 : -1;
done:
	g_object_unref(scope);
	return result;
}

int tm_copied(const void *pixels, int width, int height, int bands, VipsImage **out) {
	VipsImage *raw = vips_image_new_from_memory_copy(pixels, (size_t) width * height * bands, width, height, bands, VIPS_FORMAT_UCHAR);
	int result;
	if (!raw)
		return -1;
	result = vips_copy(raw, out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
	VIPS_UNREF(raw);
	return result;
}

int tm_transparent(VipsImage *in, int *transparent) {
	double least;
	VipsImage *alpha;
	int result;
	*transparent = 0;
	if (!vips_image_hasalpha(in))
		return 0;
	if (vips_extract_band(in, &alpha, in->Bands - 1, NULL))
		return -1;
	result = vips_min(alpha, &least, NULL);
	*transparent = least < (in->BandFmt == VIPS_FORMAT_USHORT ? 65535 : 255);
	VIPS_UNREF(alpha);
	return result;
}

int tm_upright(VipsImage *in, VipsImage **out) { return vips_autorot(in, out, NULL); }

int tm_extract(VipsImage *in, int left, int top, int width, int height, VipsImage **out) {
	return vips_extract_area(in, out, left, top, width, height, NULL);
}

int tm_attention(VipsImage *in, int width, int height, VipsImage **out) {
	return vips_smartcrop(in, out, width, height, "interesting", VIPS_INTERESTING_ATTENTION, NULL);
}

int tm_rotate(VipsImage *in, int degrees, VipsImage **out) {
	return vips_rot(in, out, (VipsAngle) (degrees / 90 % 4), NULL);
}

int tm_flip(VipsImage *in, int vertical, VipsImage **out) {
	return vips_flip(in, out, vertical ? VIPS_DIRECTION_VERTICAL : VIPS_DIRECTION_HORIZONTAL, NULL);
}

/* sharp = in + amount * (in - blurred) where in and blurred differ by at least the threshold */
static int unsharp_colours(VipsObject *scope, VipsImage *in, double sigma, double amount, double threshold, VipsImage **out) {
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 9);
	if (vips_gaussblur(in, &t[0], sigma, "min_ampl", 0.01, "precision", VIPS_PRECISION_FLOAT, NULL) || vips_subtract(in, t[0], &t[1], NULL) ||
		vips_linear1(t[1], &t[2], amount, 0, NULL) || vips_add(in, t[2], &t[3], NULL) ||
		vips_rint(t[3], &t[8], NULL) || vips_cast_uchar(t[8], &t[4], NULL))
		return -1;
	if (threshold <= 0) {
		*out = t[4];
		g_object_ref(*out);
		return 0;
	}
	return vips_abs(t[1], &t[5], NULL) || vips_moreeq_const1(t[5], &t[6], threshold, NULL) ||
		vips_ifthenelse(t[6], t[4], in, out, NULL);
}

int tm_unsharp(VipsImage *deep, double sigma, double amount, double threshold, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4), *in;
	int result;
	/* The threshold and the sum are in 8 bits. */
	if (vips_colourspace(deep, &t[3], deep->Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL)) {
		g_object_unref(scope);
		return -1;
	}
	in = t[3];
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
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 5);
	VipsInterpretation space = in->Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	int result = -1;
	/* An original can have any number of further bands; only the first of them is transparency. */
	if (vips_colourspace(in, &t[4], space, NULL) ||
		vips_extract_band(t[4], &t[0], 0, "n", VIPS_MIN(t[4]->Bands, t[4]->Bands < 3 ? 2 : 4), NULL))
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
	/* Copies the image, because other code uses the metadata of the input. */
	if (vips_cast_uchar(t[1], &t[2], NULL) || vips_copy(t[2], &t[3], NULL))
		goto done;
	vips_image_map(t[3], strip_field, NULL);
	*out = vips_image_copy_memory(t[3]);
	if (!*out)
		goto done;
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

int tm_orientation(VipsImage *in) { return vips_image_get_orientation(in); }

int tm_is_grey(VipsImage *in) {
	const VipsPel *p = VIPS_IMAGE_ADDR(in, 0, 0);
	size_t pixels = (size_t) in->Xsize * in->Ysize, i;
	if (in->Bands < 3)
		return 1;
	for (i = 0; i < pixels; i++, p += in->Bands)
		if (p[0] != p[1] || p[1] != p[2])
			return 0;
	return 1;
}

int tm_grey(VipsImage *in, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	int result = -1;
	if (vips_extract_band(in, &t[0], 0, NULL))
		goto done;
	if (in->Bands == 4) {
		if (vips_extract_band(in, &t[1], 3, NULL) || vips_bandjoin2(t[0], t[1], &t[2], NULL))
			goto done;
	} else {
		t[2] = t[0];
		g_object_ref(t[2]);
	}
	VipsImage *copy = NULL;
	if (!vips_copy(t[2], &copy, "interpretation", VIPS_INTERPRETATION_B_W, NULL)) {
		vips_image_remove(copy, VIPS_META_ICC_NAME);
		*out = vips_image_copy_memory(copy);
		VIPS_UNREF(copy);
		result = *out ? 0 : -1;
	}
done:
	g_object_unref(scope);
	return result;
}

const void *tm_pixels(VipsImage *in) { return VIPS_IMAGE_ADDR(in, 0, 0); }

const void *tm_blob(VipsImage *in, const char *name, size_t *length) {
	const void *data = NULL;
	*length = 0;
	if (vips_image_get_typeof(in, name) && vips_image_get_blob(in, name, &data, length))
		return NULL;
	return data;
}

int tm_delay(VipsImage *in, int i) {
	int *delays, count;
	if (!vips_image_get_typeof(in, "delay") || vips_image_get_array_int(in, "delay", &delays, &count) || i >= count)
		return 0;
	return delays[i];
}

int tm_number(VipsImage *in, const char *name) {
	int value = 0;
	if (vips_image_get_typeof(in, name) && vips_image_get_int(in, name, &value))
		return 0;
	return value;
}

void tm_set_profile(VipsImage *in, const void *profile, size_t length) {
	vips_image_remove(in, VIPS_META_ICC_NAME);
	if (length)
		vips_image_set_blob_copy(in, VIPS_META_ICC_NAME, profile, length);
}

int tm_encode(VipsImage *in, const char *how, void **out, size_t *length) {
	return vips_image_write_to_buffer(in, how, out, length, NULL);
}

void tm_free(void *p) { g_free(p); }
