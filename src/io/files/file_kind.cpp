#include "io/files/file_kind.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace emend {
namespace {

using namespace std::string_view_literals;

struct Kind {
  size_t at;
  std::string_view bytes;
  const char* name;
};

// A longer signature must precede one that it begins with.
constexpr Kind kKinds[] = {
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG picture"},
    {0, "\xff\xd8\xff"sv, "a JPEG picture"},
    {8, "WEBP"sv, "a WebP picture"},
    {0, "GIF8"sv, "a GIF picture"},
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {4, "ftypavif"sv, "an AVIF picture"},
    {4, "ftyphei"sv, "an HEIC picture"},
    {4, "ftypmif1"sv, "an HEIC picture"},
    {4, "ftyp"sv, "an MP4 video"},
    {0, "\x00\x00\x01\x00"sv, "an icon"},
    {0, "\x00\x00\x00\x0cJXL "sv, "a JPEG XL picture"},
    {0, "PK\x03\x04"sv, "a ZIP archive"},
    {0, "\x1f\x8b"sv, "a gzip archive"},
    {0, "BZh"sv, "a bzip2 archive"},
    {0,
     "\xfd"
     "7zXZ"sv,
     "an xz archive"},
    {0, "\x28\xb5\x2f\xfd"sv, "a Zstandard archive"},
    {257, "ustar"sv, "a tar archive"},
    {0, "%PDF-"sv, "a PDF document"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program"},
    {0, "#!"sv, "a script"},
    {0, "GGUF"sv, "a GGUF model"},
    {0, "\x89HDF"sv, "an HDF5 file"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "version https://git-lfs"sv, "a Git LFS pointer, not the file itself"},
    {0, "\x80\x02"sv, "a Python pickle"},
    {0, "\x80\x03"sv, "a Python pickle"},
    {0, "\x80\x04"sv, "a Python pickle"},
};

bool is_text(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = byte < 0x20 && c != '\t' && c != '\n' && c != '\r';
    return control || byte >= 0xf5;  // bytes that never occur in UTF-8
  });
}

}  // namespace

std::string file_kind(std::string_view beginning) {
  if (beginning.empty()) return "empty";
  beginning = beginning.substr(0, 512);
  for (const auto& kind : kKinds)
    if (beginning.size() >= kind.at && beginning.substr(kind.at, kind.bytes.size()) == kind.bytes)
      return kind.name;
  if (beginning.size() > 14 && beginning.substr(0, 2) == "BM" && beginning[6] == 0 &&
      beginning[8] == 0)
    return "a BMP picture";
  if (!is_text(beginning)) return {};
  const auto first = beginning.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "blank";
  const char c = beginning[first];
  if (c == '{' || c == '[') return "JSON text";
  if (c == '<') return "HTML or XML text";
  return "text";
}

std::string file_kind_of(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return {};
  char bytes[512];
  const auto got = ::read(descriptor, bytes, sizeof bytes);
  ::close(descriptor);
  return got < 0 ? std::string() : file_kind({bytes, static_cast<size_t>(got)});
}

}  // namespace emend
