/* gAMA and cHRM of PNG, and sRGB's curve (IEC 61966-2-1). Light is kept in 16 bits between the two
 * tables: next to black, where the curve is steepest (12.92), one step is a twentieth of a step of
 * 8 bits. Another white than D65 is adapted by the Bradford matrix. */
#include "vision/tone.h"

#include <glib.h>
#include <math.h>
#include <string.h>

static const double srgb_primaries[8] = {0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06};

static void multiply(const double a[9], const double b[9], double out[9])
{
    double product[9];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            product[i * 3 + k] =
                a[i * 3] * b[k] + a[i * 3 + 1] * b[3 + k] + a[i * 3 + 2] * b[6 + k];
    memcpy(out, product, sizeof product);
}

static void multiply_vector(const double a[9], const double v[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = a[i * 3] * v[0] + a[i * 3 + 1] * v[1] + a[i * 3 + 2] * v[2];
}

static bool invert(const double m[9], double out[9])
{
    double adjoint[9] = {
        m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
        m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
        m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3],
    };
    double determinant = m[0] * adjoint[0] + m[1] * adjoint[3] + m[2] * adjoint[6];
    if (!(fabs(determinant) > 1e-6))
        return false;
    for (int i = 0; i < 9; i++)
        out[i] = adjoint[i] / determinant;
    return true;
}

/* XYZ of Y = 1 at chromaticity x, y. */
static bool to_xyz(const double xy[2], double xyz[3])
{
    if (!(xy[0] >= 0 && xy[0] <= 1 && xy[1] > 1e-3 && xy[1] <= 1))
        return false;
    xyz[0] = xy[0] / xy[1];
    xyz[1] = 1;
    xyz[2] = (1 - xy[0] - xy[1]) / xy[1];
    return true;
}

/* Linear RGB of these primaries to XYZ. */
static bool rgb_to_xyz(const double primaries[8], double out[9])
{
    double white[3], columns[9], inverse[9], gain[3];
    if (!to_xyz(primaries, white))
        return false;
    for (int c = 0; c < 3; c++) {
        double xyz[3];
        if (!to_xyz(primaries + 2 + 2 * c, xyz))
            return false;
        for (int i = 0; i < 3; i++)
            columns[i * 3 + c] = xyz[i];
    }
    if (!invert(columns, inverse))
        return false;
    multiply_vector(inverse, white, gain);
    for (int i = 0; i < 9; i++)
        out[i] = columns[i] * gain[i % 3];
    return true;
}

/* XYZ under one white to XYZ under another. */
static bool adapt(const double from[2], const double to[2], double out[9])
{
    static const double bradford[9] = {0.8951, 0.2664, -0.1614, -0.7502, 1.7135,
                                       0.0367, 0.0389, -0.0685, 1.0296};
    double a[3], b[3], cone_a[3], cone_b[3], inverse[9];
    if (!to_xyz(from, a) || !to_xyz(to, b) || !invert(bradford, inverse))
        return false;
    multiply_vector(bradford, a, cone_a);
    multiply_vector(bradford, b, cone_b);
    double scale[9] = {0};
    for (int i = 0; i < 3; i++) {
        if (!(fabs(cone_a[i]) > 1e-6))
            return false;
        scale[i * 4] = cone_b[i] / cone_a[i];
    }
    multiply(scale, bradford, out);
    multiply(inverse, out, out);
    return true;
}

/* Linear RGB of these primaries to linear sRGB. */
static bool to_srgb(const double primaries[8], double out[9])
{
    double source[9], target[9], inverse[9], adaptation[9];
    if (!rgb_to_xyz(primaries, source) || !rgb_to_xyz(srgb_primaries, target) ||
        !invert(target, inverse) || !adapt(primaries, srgb_primaries, adaptation))
        return false;
    multiply(adaptation, source, out);
    multiply(inverse, out, out);
    return true;
}

static double encode(double light)
{
    return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

static uint16_t to_16(double v)
{
    return v <= 0 ? 0 : v >= 1 ? TONE_STEPS - 1 : (uint16_t)(v * (TONE_STEPS - 1) + 0.5);
}

static struct tone *create(double exponent)
{
    struct tone *tone = g_try_new0(struct tone, 1);
    for (int i = 0; tone && i < TONE_STEPS; i++) {
        double v = (double)i / (TONE_STEPS - 1);
        tone->linear[i] = (float)(exponent == 1 ? v : pow(v, exponent));
        tone->encoded[i] = to_16(encode(v));
    }
    return tone;
}

struct tone *tone_linear(void) { return create(1); }

struct tone *tone_for_gamma(double gamma, const double primaries[8])
{
    double matrix[9];
    if (!(gamma >= 0.05 && gamma <= 20))
        return NULL;
    bool has_matrix = primaries[0] > 0 && to_srgb(primaries, matrix);
    double farthest = 0;
    for (int i = 0; has_matrix && i < 9; i++)
        farthest = fmax(farthest, fabs(matrix[i] - (i % 4 == 0)));
    has_matrix = has_matrix && farthest > 0.01;
    if (!has_matrix && fabs(gamma * 2.2 - 1) < 0.03)
        return NULL;
    struct tone *tone = create(1 / gamma);
    if (tone && has_matrix) {
        tone->has_matrix = true;
        for (int i = 0; i < 9; i++)
            tone->matrix[i] = (float)matrix[i];
    }
    return tone;
}

void tone_apply(const struct tone *tone, uint16_t rgb[3])
{
    float light[3] = {tone->linear[rgb[0]], tone->linear[rgb[1]], tone->linear[rgb[2]]};
    if (tone->has_matrix) {
        const float *m = tone->matrix;
        float mixed[3];
        for (int i = 0; i < 3; i++)
            mixed[i] = m[i * 3] * light[0] + m[i * 3 + 1] * light[1] + m[i * 3 + 2] * light[2];
        memcpy(light, mixed, sizeof light);
    }
    for (int i = 0; i < 3; i++)
        rgb[i] = tone->encoded[to_16((double)light[i])];
}
