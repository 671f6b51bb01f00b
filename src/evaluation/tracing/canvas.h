#pragma once

#include <array>
#include <string>

#include "io/image/image.h"

namespace emend {

using Color = std::array<uint8_t, 3>;

// A drawing of rectangles and lines of text, in pixels from the upper left corner.
class Canvas {
 public:
  enum class Align { left, center, right };

  virtual ~Canvas() = default;
  virtual void rectangle(int x, int y, int width, int height, Color color,
                         const std::string& tooltip = {}) = 0;
  // `y`: the center of the line. `x`: its left end, center or right end.
  virtual void text(int x, int y, const std::string& text, Align align = Align::left) = 0;
};

// An SVG element that contains no scripts and refers to no other files.
class SvgCanvas : public Canvas {
 public:
  SvgCanvas(int width, int height);
  void rectangle(int x, int y, int width, int height, Color color,
                 const std::string& tooltip) override;
  void text(int x, int y, const std::string& text, Align align = Align::left) override;
  std::string svg() const { return body_ + "</svg>\n"; }

 private:
  std::string body_;
};

// Pixels, with capital letters of 5 x 10 pixels.
class PixelCanvas : public Canvas {
 public:
  PixelCanvas(int width, int height);
  void rectangle(int x, int y, int width, int height, Color color,
                 const std::string& tooltip) override;
  void text(int x, int y, const std::string& text, Align align = Align::left) override;
  const Image& image() const { return image_; }

 private:
  Image image_;
};

// Text in HTML and SVG.
std::string escaped_markup(const std::string& text);

}  // namespace emend
