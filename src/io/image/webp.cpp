#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "io/error.h"
#include "io/image/codecs.h"

namespace emend {
namespace {

constexpr const char* kWebpPlace = "io::webp";

struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

// Memory that libwebp allocated.
struct Frame : WebPIterator {
  Frame() { std::memset(static_cast<WebPIterator*>(this), 0, sizeof(WebPIterator)); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() { WebPDemuxReleaseIterator(this); }
};

int webp_orientation(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  int orientation = 1;
  if (!WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) return orientation;
  const uint8_t* block = chunk.chunk.bytes;
  size_t size = chunk.chunk.size;
  if (size > 6 && std::memcmp(block, "Exif\0\0", 6) == 0) block += 6, size -= 6;
  orientation = exif_orientation(block, size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

}  // namespace

bool is_webp(const uint8_t* data, size_t size) {
  return size >= 12 && std::memcmp(data, "RIFF", 4) == 0 && std::memcmp(data + 8, "WEBP", 4) == 0;
}

// Decodes the first frame of an animation, on a black canvas.
DecodedImage decode_webp(const uint8_t* data, size_t size, const std::string& name) {
  const auto fail = [&](const char* what) {
    throw Error(kWebpPlace, fmt::format("'{}' {}", name, what),
                "the file is incomplete or damaged; fetch it again");
  };
  WebPData bytes{data, size};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  std::unique_ptr<WebPDemuxer, FreeDemuxer> demuxer(WebPDemuxPartial(&bytes, &state));
  if (!demuxer || state == WEBP_DEMUX_PARSE_ERROR) fail("cannot be decoded");
  if (state != WEBP_DEMUX_DONE) fail("is truncated");
  const uint64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const uint64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_image_size(width, height, name);

  Frame frame;
  WebPDecoderConfig config;
  if (!WebPDemuxGetFrame(demuxer.get(), 1, &frame) || !WebPInitDecoderConfig(&config) ||
      WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input) != VP8_STATUS_OK)
    fail("cannot be decoded");
  const auto left = static_cast<uint64_t>(frame.x_offset);
  const auto top = static_cast<uint64_t>(frame.y_offset);
  if (frame.x_offset < 0 || frame.y_offset < 0 || config.input.width != frame.width ||
      config.input.height != frame.height || left + static_cast<uint64_t>(frame.width) > width ||
      top + static_cast<uint64_t>(frame.height) > height)
    fail("has a frame that exceeds its canvas");

  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.resize(width * height * 3);
  const auto begin = (top * width + left) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.rgb.data() + begin;
  config.output.u.RGBA.stride = static_cast<int>(width * 3);
  config.output.u.RGBA.size = image.rgb.size() - begin;
  if (WebPDecode(frame.fragment.bytes, frame.fragment.size, &config) != VP8_STATUS_OK)
    fail("cannot be decoded");
  return {std::move(image), webp_orientation(demuxer.get())};
}

}  // namespace emend
