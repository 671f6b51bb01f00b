#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

// After <cstdio>, because jpeglib.h uses its types.
#include <jerror.h>
#include <jpeglib.h>

#include "io/error.h"
#include "io/image/codecs.h"

namespace emend {
namespace {

constexpr const char* kJpegPlace = "io::jpeg";
// A hostile progressive file can have thousands of scans, each over the whole picture.
constexpr int kMaxScans = 100;

struct ErrorManager {
  jpeg_error_mgr base;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void throw_jpeg_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  (*info->err->format_message)(info, errors->message);
  longjmp(errors->jump, 1);
}

void ignore_jpeg_message(j_common_ptr) {}

// The memory source of libjpeg would append an end marker to a truncated file.
boolean no_more_data(j_decompress_ptr info) {
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

void skip_data(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > info->src->bytes_in_buffer) ERREXIT(info, JERR_INPUT_EOF);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

void nothing_to_do(j_decompress_ptr) {}

void watch_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans)
    ERREXIT(info, JERR_BAD_PROGRESSION);
}

// libjpeg reports errors by longjmp. The functions that call setjmp have no local variables:
// everything that needs a destructor is in this struct, which belongs to a frame that longjmp does
// not skip.
struct Job {
  jpeg_decompress_struct info{};
  ErrorManager errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::vector<uint8_t> row;
  JSAMPROW row_pointer = nullptr;
  Image image;

  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job() { jpeg_destroy_decompress(&info); }

  bool read_header(const uint8_t* data, size_t size) {
    info.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = throw_jpeg_error;
    errors.base.output_message = ignore_jpeg_message;
    if (setjmp(errors.jump)) return false;
    jpeg_create_decompress(&info);
    source.next_input_byte = data;
    source.bytes_in_buffer = size;
    source.init_source = nothing_to_do;
    source.fill_input_buffer = no_more_data;
    source.skip_input_data = skip_data;
    source.resync_to_restart = jpeg_resync_to_restart;
    source.term_source = nothing_to_do;
    info.src = &source;
    progress.progress_monitor = watch_scans;
    info.progress = &progress;
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
    return true;
  }

  bool start() {
    if (setjmp(errors.jump)) return false;
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
    return true;
  }

  bool read_rows() {
    if (setjmp(errors.jump)) return false;
    while (info.output_scanline < info.output_height) {
      if (info.output_components == 3) {
        row_pointer = image.rgb.data() + size_t{info.output_scanline} * info.output_width * 3;
        jpeg_read_scanlines(&info, &row_pointer, 1);
      } else {
        row_pointer = row.data();
        jpeg_read_scanlines(&info, &row_pointer, 1);
        from_inverted_cmyk(row.data(), image.rgb.data() + size_t{info.output_scanline - 1} *
                                                              info.output_width * 3);
      }
    }
    jpeg_finish_decompress(&info);
    return true;
  }

  // Adobe stores CMYK inverted, and PIL treats every CMYK file as one of Adobe's. PIL's
  // convert("RGB") is (255 - K) - (255 - K) * C / 255, rounded.
  void from_inverted_cmyk(const uint8_t* from, uint8_t* to) const {
    for (JDIMENSION x = 0; x < info.output_width; ++x, from += 4, to += 3) {
      int white = from[3];
      for (int c = 0; c < 3; ++c) {
        int product = (255 - from[c]) * white + 128;
        int value = white - ((product + (product >> 8)) >> 8);
        to[c] = static_cast<uint8_t>(value < 0 ? 0 : value);
      }
    }
  }

  // Each 8 x 8 block takes at least one bit of Huffman data (arithmetic coding may take less), so a
  // size that is too large for the file is refused before memory is allocated.
  void check_claim(size_t size, const std::string& name) const {
    check_image_size(info.image_width, info.image_height, name);
    double blocks = 0;
    for (int c = 0; c < info.num_components; ++c) {
      const auto& component = info.comp_info[c];
      blocks += double(component.h_samp_factor) * component.v_samp_factor /
                (double(info.max_h_samp_factor) * info.max_v_samp_factor) *
                (double(info.image_width) * info.image_height / 64);
    }
    if (blocks > (info.arith_code ? 64 : 1) * 8.0 * size)
      throw Error(kJpegPlace,
                  fmt::format("'{}' claims {} x {} pixels but has only {} bytes", name,
                              info.image_width, info.image_height, size),
                  "the file is truncated or damaged");
  }

  int orientation() const {
    for (auto marker = info.marker_list; marker; marker = marker->next)
      if (marker->data_length > 6 && std::memcmp(marker->data, "Exif\0\0", 6) == 0)
        return exif_orientation(marker->data + 6, marker->data_length - 6);
    return 1;
  }

  [[noreturn]] void fail(const std::string& name) const {
    bool truncated = errors.base.msg_code == JERR_INPUT_EOF;
    throw Error(kJpegPlace,
                truncated ? fmt::format("'{}' is truncated", name)
                          : fmt::format("'{}' cannot be decoded: {}", name, errors.message),
                "the file is incomplete or damaged; fetch it again");
  }
};

}  // namespace

bool is_jpeg(const uint8_t* data, size_t size) {
  return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

DecodedImage decode_jpeg(const uint8_t* data, size_t size, const std::string& name) {
  Job job;
  if (!job.read_header(data, size)) job.fail(name);
  job.check_claim(size, name);
  switch (job.info.jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr:
    case JCS_RGB:
      job.info.out_color_space = JCS_RGB;
      break;
    case JCS_CMYK:
    case JCS_YCCK:
      job.info.out_color_space = JCS_CMYK;
      break;
    default:
      throw Error(kJpegPlace,
                  fmt::format("'{}' has {} color components", name, job.info.num_components),
                  "convert the picture to RGB first");
  }
  if (!job.start()) job.fail(name);
  job.image.width = static_cast<int>(job.info.output_width);
  job.image.height = static_cast<int>(job.info.output_height);
  job.image.rgb.resize(size_t{job.info.output_width} * job.info.output_height * 3);
  job.row.resize(size_t{job.info.output_width} * 4);
  auto orientation = job.orientation();  // before finishing, which discards the markers
  if (!job.read_rows()) job.fail(name);
  return {std::move(job.image), orientation};
}

}  // namespace emend
