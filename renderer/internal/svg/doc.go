// Package svg reads an SVG's text before librsvg reads it. It finds the drawing's languages, and whether CSS
// rules can change its size. It also mends the parts that librsvg reads in another way than browsers. The
// package reads only tags and the texts behind them, in one pass for each of both, and holds at most maxHeld bytes of a
// tag, even of a large drawing.
package svg
