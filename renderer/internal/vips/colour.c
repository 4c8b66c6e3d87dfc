/* Converts samples and colours, one step a function. */
#include "vips.h"

/* Sets the interpretation that fits the number of bands and the depth. */
static int plain_numbers(VipsImage *in, VipsImage **out) {
	int deep = in->BandFmt == VIPS_FORMAT_USHORT;
	VipsInterpretation space = in->Type;
	if (space != VIPS_INTERPRETATION_CMYK)
		space = in->Bands < 3 ? (deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
							  : (deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
	return vips_copy(in, out, "interpretation", space, NULL);
}

/* Returns whether floats are values of a picture, 0 to 1, and not coordinates of a colour space. */
static int values(VipsImage *in) {
	switch (in->Type) {
	case VIPS_INTERPRETATION_LAB:
	case VIPS_INTERPRETATION_XYZ:
	case VIPS_INTERPRETATION_LCH:
	case VIPS_INTERPRETATION_YXY:
	case VIPS_INTERPRETATION_CMC:
	case VIPS_INTERPRETATION_LABS:
		return 0;
	default:
		return 1;
	}
}

int tm_samples(VipsImage *in, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	double times = 0;
	int result = -1;
	switch (in->BandFmt) {
	case VIPS_FORMAT_CHAR: /* libtiff, ImageMagick and Pillow ignore the sign */
		result = vips_copy(in, &t[0], "format", VIPS_FORMAT_UCHAR, NULL) ? -1 : plain_numbers(t[0], out);
		g_object_unref(scope);
		return result;
	case VIPS_FORMAT_SHORT:
		times = 2.0;
		break;
	case VIPS_FORMAT_INT:
		times = 1 / 32768.0;
		break;
	case VIPS_FORMAT_UINT:
		times = 1 / 65536.0;
		break;
	case VIPS_FORMAT_FLOAT:
	case VIPS_FORMAT_DOUBLE:
		times = 65535.0;
		break;
	default:
		break;
	}
	if (times == 0 || !values(in)) {
		*out = in;
		g_object_ref(in);
		result = 0;
	} else if (!vips_linear1(in, &t[0], times, times > 2 ? 0.5 : 0, NULL) &&
		!vips_cast(t[0], &t[1], VIPS_FORMAT_USHORT, NULL))
		result = plain_numbers(t[1], out);
	g_object_unref(scope);
	return result;
}

int tm_bands(VipsImage *in, int colours, int alpha, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;
	if (colours >= in->Bands) {
		*out = in;
		g_object_ref(in);
		result = 0;
	} else if (alpha <= 0 || alpha >= in->Bands)
		result = vips_extract_band(in, out, 0, "n", colours, NULL);
	else if (!vips_extract_band(in, &t[0], 0, "n", colours, NULL) && !vips_extract_band(in, &t[1], alpha, NULL))
		result = vips_bandjoin2(t[0], t[1], out, NULL);
	g_object_unref(scope);
	return result;
}

/* Copies the image without its profile. */
static int unprofiled(VipsImage *in, VipsImage **out) {
	if (vips_copy(in, out, NULL))
		return -1;
	vips_image_remove(*out, VIPS_META_ICC_NAME);
	return 0;
}

int tm_to_srgb(VipsImage *in, int tables, VipsImage **out) {
	VipsImage *converted;
	int result;
	if (vips_icc_transform(in, &converted, "srgb", "embedded", TRUE, "intent", tables ? VIPS_INTENT_PERCEPTUAL : VIPS_INTENT_RELATIVE,
			"depth", in->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8, NULL))
		return -1;
	result = unprofiled(converted, out);
	VIPS_UNREF(converted);
	return result;
}

int tm_grey_curve(VipsImage *in, const double *table, int length, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 8);
	double most = length - 1;
	int result = -1;
	t[0] = vips_image_new_from_memory_copy(table, length * sizeof(double), length, 1, 1, VIPS_FORMAT_DOUBLE);
	if (!t[0] || vips_linear1(t[0], &t[1], most, 0.5, NULL) || vips_cast(t[1], &t[2], in->BandFmt, NULL) ||
		vips_extract_band(in, &t[3], 0, NULL) || vips_maplut(t[3], &t[4], t[2], NULL))
		goto done;
	if (in->Bands > 1) {
		if (vips_extract_band(in, &t[5], in->Bands - 1, NULL) || vips_bandjoin2(t[4], t[5], &t[6], NULL))
			goto done;
	} else {
		t[6] = t[4];
		g_object_ref(t[6]);
	}
	if (plain_numbers(t[6], &t[7]))
		goto done;
	result = unprofiled(t[7], out);
done:
	g_object_unref(scope);
	return result;
}

int tm_deep(VipsImage *in, VipsImage **out) {
	VipsObject *scope = (VipsObject *) vips_image_new();
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	int result = -1;
	if (!vips_colourspace(in, &t[0], VIPS_INTERPRETATION_RGB16, NULL) &&
		!vips_extract_band(t[0], &t[1], 0, "n", VIPS_MIN(t[0]->Bands, 4), NULL) &&
		!vips_cast(t[1], &t[2], VIPS_FORMAT_USHORT, NULL)) {
		*out = vips_image_copy_memory(t[2]);
		result = *out ? 0 : -1;
	}
	g_object_unref(scope);
	return result;
}

int tm_profiled(VipsImage *in, const void *profile, size_t length, VipsImage **out) {
	if (unprofiled(in, out))
		return -1;
	if (length)
		vips_image_set_blob_copy(*out, VIPS_META_ICC_NAME, profile, length);
	return 0;
}
