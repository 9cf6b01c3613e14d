//! Draws SVG pictures without scripts, fonts or links. The same calls give the same bytes.

use std::fmt::{self, Write};

/// A picture that is being drawn. Later elements lie above earlier ones.
#[derive(Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// The part of a text that its position refers to.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle by its upper left corner and its size, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Svg {
    /// Creates an empty card. `label` is the title that screen readers say.
    #[must_use]
    pub fn new(width: f64, height: f64, label: &str) -> Self {
        let mut svg = Self {
            width,
            height,
            body: String::new(),
        };
        svg.draw(format_args!("<title>{}</title>", Escaped(label)));
        svg.draw(format_args!(
            "<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            Number(width - 1.0),
            Number(height - 1.0)
        ));
        svg
    }

    pub fn rect(&mut self, class: &str, rect: Rect) {
        let Rect { x, y, width, height } = rect;
        self.draw(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            Number(x),
            Number(y),
            Number(width),
            Number(height)
        ));
    }

    /// Draws a rectangle in a color that encodes a figure.
    pub fn tile(&mut self, color: [u8; 3], rect: Rect, tip: &str) {
        let ([red, green, blue], Rect { x, y, width, height }) = (color, rect);
        self.draw(format_args!(
            "<rect fill=\"#{red:02x}{green:02x}{blue:02x}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
            Number(x),
            Number(y),
            Number(width),
            Number(height),
            Escaped(tip)
        ));
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        self.draw(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\"{anchor}>{}</text>",
            Number(x),
            Number(y),
            Escaped(text)
        ));
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.draw(format_args!(
            "<path class=\"{class}\" d=\"M{} {}L{} {}\"/>",
            Number(x1),
            Number(y1),
            Number(x2),
            Number(y2)
        ));
    }

    pub fn path(&mut self, class: &str, path: &str) {
        self.draw(format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    /// Draws a circle. `tip` appears when the reader points at it.
    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: &str) {
        self.draw(format_args!(
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{}</title></circle>",
            Number(x),
            Number(y),
            Number(radius),
            Escaped(tip)
        ));
    }

    fn draw(&mut self, element: fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{element}"); // Writing to a string can't fail.
    }

    /// Returns the picture's text. `style` is the CSS of the classes that the elements have.
    #[must_use]
    pub fn finish(self, style: &str) -> String {
        let (width, height) = (Number(self.width), Number(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\">\n<style>\n{style}</style>\n{}</svg>\n",
            self.body
        )
    }
}

/// Displays a number to a hundredth, without trailing zeros.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        write!(f, "{}", hundredths as f64 / 100.0)
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            // XML allows no control characters.
            letter if letter.is_control() => f.write_char(' '),
            letter => f.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, written) in [(1.0, "1"), (-0.001, "0"), (12.346, "12.35"), (-0.5, "-0.5")] {
            assert_eq!(Number(number).to_string(), written);
        }
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(Escaped("a<b & c\u{7}").to_string(), "a&lt;b &amp; c ");
    }
}
