#include "io/files/file_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kFileReaderPlace = "io::file";

}  // namespace

struct FileReader::Opened {
  int descriptor = -1;
  struct stat status {};

  ~Opened() {
    if (descriptor >= 0) ::close(descriptor);
  }
  bool changed() const {
    struct stat now {};
    return ::fstat(descriptor, &now) != 0 || now.st_size != status.st_size ||
           now.st_mtim.tv_sec != status.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != status.st_mtim.tv_nsec;
  }
};

FileReader::FileReader(const std::string& path) : path_(path) {
  auto file = std::make_shared<Opened>();
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  file->descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->descriptor < 0 || ::fstat(file->descriptor, &file->status) != 0)
    throw Error(kFileReaderPlace, fmt::format("cannot open '{}': {}", path, std::strerror(errno)),
                "check the path and its permissions");
  if (!S_ISREG(file->status.st_mode))
    throw Error(kFileReaderPlace, fmt::format("'{}' is not a regular file", path),
                "give the path of a file");
  size_ = static_cast<uint64_t>(file->status.st_size);
  file_ = std::move(file);
}

std::string FileReader::read(uint64_t offset, uint64_t length) const {
  if (offset > size_ || length > size_ - offset)
    throw Error(kFileReaderPlace,
                fmt::format("'{}' has {} bytes, but {} bytes at offset {} are needed", path_, size_,
                            length, offset),
                "the file is damaged or incomplete; fetch it again");
  std::string bytes(length, '\0');
  for (size_t done = 0; done < bytes.size();) {
    auto got = ::pread(file_->descriptor, bytes.data() + done, bytes.size() - done,
                       static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Error(kFileReaderPlace,
                  fmt::format("cannot read '{}': {}", path_, std::strerror(errno)),
                  "check the disk");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  if (file_->changed())
    throw Error(kFileReaderPlace, fmt::format("'{}' was modified while it was in use", path_),
                "wait until the program that writes it has finished, then try again");
  return bytes;
}

}  // namespace emend
