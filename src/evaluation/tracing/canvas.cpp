#include "evaluation/tracing/canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

namespace emend {
namespace {

// Letters of 3 x 5 pixels: the rows from the top, each as an octal digit of three pixels.
const std::map<char, const char*>& glyphs() {
  static const std::map<char, const char*> all = {
      {'A', "25755"}, {'B', "65656"}, {'C', "34443"},  {'D', "65556"}, {'E', "74647"},
      {'F', "74644"}, {'G', "34553"}, {'H', "55755"},  {'I', "72227"}, {'J', "11152"},
      {'K', "55655"}, {'L', "44447"}, {'M', "57755"},  {'N', "65555"}, {'O', "25552"},
      {'P', "65644"}, {'Q', "25563"}, {'R', "65655"},  {'S', "34216"}, {'T', "72222"},
      {'U', "55557"}, {'V', "55522"}, {'W', "55775"},  {'X', "55255"}, {'Y', "55222"},
      {'Z', "71247"}, {'0', "75557"}, {'1', "26227"},  {'2', "61247"}, {'3', "61216"},
      {'4', "55711"}, {'5', "74616"}, {'6', "34657"},  {'7', "71122"}, {'8', "75757"},
      {'9', "75316"}, {'.', "00002"}, {',', "00024"},  {'-', "00700"}, {'+', "02720"},
      {'*', "05250"}, {'(', "24442"}, {')', "21112"},  {':', "02020"}, {'%', "51245"},
      {'_', "00007"}, {'/', "11244"}, {'\'', "22000"}, {'?', "61202"}, {'=', "07070"}};
  return all;
}

constexpr int kDot = 2, kAdvance = 4 * kDot;
constexpr Color kInk = {45, 52, 64};

}  // namespace

std::string escaped_markup(const std::string& text) {
  std::string safe;
  for (char c : text) {
    if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '&')
      safe += "&amp;";
    else if (c == '"')
      safe += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      safe += c;
    else
      safe += ' ';
  }
  return safe;
}

SvgCanvas::SvgCanvas(int width, int height)
    : body_(fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
                        "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"11\">\n"
                        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
                        width, height)) {}

void SvgCanvas::rectangle(int x, int y, int width, int height, Color color,
                          const std::string& tooltip) {
  body_ +=
      fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#{:02x}{:02x}{:02x}\"",
                  x, y, width, height, color[0], color[1], color[2]);
  body_ += tooltip.empty() ? std::string("/>\n")
                           : fmt::format("><title>{}</title></rect>\n", escaped_markup(tooltip));
}

void SvgCanvas::text(int x, int y, const std::string& text, Align align) {
  body_ += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"#2d3440\" text-anchor=\"{}\">{}</text>\n", x,
                       y + 4,
                       align == Align::left     ? "start"
                       : align == Align::center ? "middle"
                                                : "end",
                       escaped_markup(text));
}

PixelCanvas::PixelCanvas(int width, int height) {
  image_.width = width;
  image_.height = height;
  image_.rgb.assign(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height), 255);
}

void PixelCanvas::rectangle(int x, int y, int width, int height, Color color, const std::string&) {
  for (int row = std::max(y, 0); row < std::min(y + height, image_.height); ++row)
    for (int column = std::max(x, 0); column < std::min(x + width, image_.width); ++column)
      std::copy(color.begin(), color.end(),
                image_.rgb.begin() + 3 * (int64_t{row} * image_.width + column));
}

void PixelCanvas::text(int x, int y, const std::string& text, Align align) {
  const int width = static_cast<int>(text.size()) * kAdvance - kDot;
  int left = align == Align::left ? x : align == Align::center ? x - width / 2 : x - width;
  for (char c : text) {
    const auto found =
        glyphs().find(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    for (int row = 0; found != glyphs().end() && row < 5; ++row)
      for (int column = 0; column < 3; ++column)
        if ((found->second[row] - '0') >> (2 - column) & 1)
          rectangle(left + column * kDot, y - 5 + row * kDot, kDot, kDot, kInk, {});
    left += kAdvance;
  }
}

}  // namespace emend
