/* plot - the last hour as lines of SVG, with a legend that tells the newest values. Ignorant of
 * what is plotted. Control thread. */
#include "status.h"

#include <math.h>
#include <stdio.h>

#define WIDE 600
#define HIGH 150
#define LEFT 52
#define TOP 15
#define BOTTOM 128
#define SPAN_MIN 60 /* samples: five minutes, when it has only begun */
#define POINTS 240u

static double at(const struct history *hi, const struct plot_line *l, unsigned age)
{
	const struct history_sample *s = history_at(hi, age);
	if (!s)
		return NAN;
	return l->lag ? (double)l->lag->ms[history_place(hi, age)] : (double)s->v[l->value];
}

/* The next of 1, 2, 5, 10, 20, ... */
static double round_up(double v)
{
	double p = 1;
	if (v <= 0 || isnan(v))
		return 1;
	while (p > v)
		p /= 10;
	while (p * 10 <= v)
		p *= 10;
	return v <= p ? p : v <= 2 * p ? 2 * p : v <= 5 * p ? 5 * p : 10 * p;
}

static void put_value(struct buf *b, double v)
{
	if (isnan(v))
		buf_puts(b, "–");
	else if (v >= 1e6)
		buf_printf(b, "%.3gM", v / 1e6);
	else if (v >= 1e4)
		buf_printf(b, "%.3gk", v / 1e3);
	else
		buf_printf(b, v < 10 && v != (double)(int)v ? "%.2f" : "%.0f", v);
}

static double y_of(double v, double top)
{
	return BOTTOM - v / top * (BOTTOM - TOP);
}

/* One line; each point is the mean of what falls on it. */
static void put_line(struct buf *b, const struct history *hi, const struct plot_line *l, unsigned k,
	unsigned span, double top)
{
	unsigned step = (span + POINTS - 1) / POINTS;
	bool on = false;
	buf_printf(b, "<path class=\"l%u\" d=\"", k);
	for (unsigned age = (span + step - 1) / step * step; age >= step; age -= step) {
		double sum = 0;
		unsigned n = 0;
		for (unsigned i = age - step; i < age; i++) {
			double v = at(hi, l, i);
			sum += isnan(v) ? 0 : v;
			n += isnan(v) ? 0u : 1u;
		}
		if (!n) {
			on = false;
			continue;
		}
		double x = WIDE - (double)(age - step) * (WIDE - LEFT) / (double)(span - 1);
		buf_printf(b, "%c%.1f %.1f", on ? 'L' : 'M', x, y_of(sum / n, top));
		if (!on) /* a dot, if nothing follows */
			buf_puts(b, "h0");
		on = true;
	}
	buf_puts(b, "\"/>\n");
}

static void put_legend(struct buf *b, const struct history *hi, const char *title, const char *unit,
	const struct plot_line *lines, unsigned n)
{
	buf_puts(b, "<figure><figcaption><h3>");
	html_put(b, title);
	buf_puts(b, "</h3><span class=\"dim\">");
	html_put(b, unit);
	buf_puts(b, "</span>");
	for (unsigned k = 0; k < n; k++) {
		buf_printf(b, "<i class=\"k%u\">", k);
		html_put(b, lines[k].label);
		buf_puts(b, " <b>");
		put_value(b, at(hi, &lines[k], 0));
		buf_puts(b, "</b></i>");
	}
	buf_puts(b, "<span class=\"when dim\"></span></figcaption>\n");
}

static void put_axes(struct buf *b, unsigned span, double top)
{
	for (int i = 0; i <= 2; i++) {
		double y = y_of(top * i / 2, top);
		buf_printf(b,
			"<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.0f\" y2=\"%.0f\"/>"
			"<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">",
			LEFT, WIDE, y, y, LEFT - 6, y + 4);
		put_value(b, top * i / 2);
		buf_puts(b, "</text>");
	}
	unsigned minutes = span * (HISTORY_STEP_US / 1000000) / 60;
	buf_printf(b,
		"<text x=\"%d\" y=\"%d\">%u min ago</text>"
		"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">now</text>\n",
		LEFT, HIGH - 6, minutes, WIDE, HIGH - 6);
}

void plot_put(struct buf *b, const struct history *hi, const char *title, const char *unit,
	const struct plot_line *lines, unsigned n)
{
	unsigned span = hi->n < SPAN_MIN ? SPAN_MIN : hi->n;
	double most = 0;
	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < hi->n; i++)
			if (at(hi, &lines[k], i) > most) /* NAN is not */
				most = at(hi, &lines[k], i);
	double top = round_up(most);
	put_legend(b, hi, title, unit, lines, n);
	buf_printf(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDE + 4, HIGH);
	html_put(b, title);
	buf_printf(b, "\" data-left=\"%d\" data-right=\"%d\" data-span=\"%u\" data-keys=\"", LEFT,
		WIDE, span);
	for (unsigned k = 0; k < n; k++) {
		buf_puts(b, k ? "|" : "");
		html_put(b, lines[k].key);
	}
	buf_puts(b, "\">\n");
	put_axes(b, span, top);
	for (unsigned k = 0; k < n; k++)
		put_line(b, hi, &lines[k], k, span, top);
	buf_printf(b, "<line class=\"x\" y1=\"%d\" y2=\"%d\" x1=\"0\" x2=\"0\"/></svg></figure>\n",
		TOP, BOTTOM);
}
