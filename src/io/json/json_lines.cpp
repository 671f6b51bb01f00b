#include "io/json/json_lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kJsonLinesPlace = "io::json_lines";

}  // namespace

void JsonLines::fail(const char* what, int error) const {
  throw Error(kJsonLinesPlace, fmt::format("cannot {} '{}': {}", what, path_, std::strerror(error)),
              error == ENOSPC || error == EFBIG || error == EDQUOT
                  ? "free disk space, then run the same command again"
                  : "check the path and its permissions");
}

JsonLines::JsonLines(std::string path, bool durable) : path_(std::move(path)), durable_(durable) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("open", errno);
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      throw Error(kJsonLinesPlace, fmt::format("'{}' is being written by another process", path_),
                  "wait until it has finished, or write to another file");
    std::string piece(size_t{1} << 16, '\0');
    for (uint64_t at = 0;;) {
      ssize_t got = ::pread(descriptor_, piece.data(), piece.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("read", errno);
      if (got == 0) break;
      auto read = std::string_view(piece).substr(0, static_cast<size_t>(got));
      size_ += static_cast<size_t>(std::count(read.begin(), read.end(), '\n'));
      auto last = read.rfind('\n');
      if (last != std::string_view::npos) bytes_ = at + last + 1;
      at += read.size();
    }
    if (::ftruncate(descriptor_, static_cast<off_t>(bytes_)) != 0) fail("shorten", errno);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
  reader_.open(path_, std::ios::binary);
}

JsonLines::~JsonLines() { ::close(descriptor_); }

bool JsonLines::next(nlohmann::json& value) {
  if (read_ == size_) return false;
  std::string line;
  if (!std::getline(reader_, line)) fail("read", errno);
  ++read_;
  value = parse_json(line, fmt::format("{}, line {}", path_, read_));
  return true;
}

void JsonLines::append(const nlohmann::json& value) {
  // The answer of a model may contain any bytes.
  auto line = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  for (size_t done = 0; done < line.size();) {
    ssize_t put = ::write(descriptor_, line.data() + done, line.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      int error = errno;
      if (::ftruncate(descriptor_, static_cast<off_t>(bytes_)) != 0) fail("shorten", errno);
      fail("write", error);
    }
    done += static_cast<size_t>(put);
  }
  if (durable_ && ::fdatasync(descriptor_) != 0) fail("write", errno);
  bytes_ += line.size();
}

}  // namespace emend
