#include "io/files/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "io/error.h"
#include "io/files/leftovers.h"
#include "io/files/path.h"

namespace emend {
namespace {

constexpr const char* kFilePlace = "io::file";

struct Descriptor {
  int value = -1;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

const char* hint_for(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "free disk space, or write to another disk";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the permissions, or choose a writable folder";
    case ENOENT:
      return "check the path";
    case ENAMETOOLONG:
      return "use a shorter name";
    case ENOTDIR:
    case ELOOP:
      return "check the path; a part of it is not a folder";
    case EIO:
      return "check the disk";
    default:
      return "check the path and its permissions";
  }
}

}  // namespace

std::string read_file(const std::string& path, uint64_t max_bytes) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status {};
  if (file.value < 0 || ::fstat(file.value, &status) != 0) {
    int error = errno;
    throw Error(kFilePlace, fmt::format("cannot open '{}': {}", path, std::strerror(error)),
                hint_for(error));
  }
  if (!S_ISREG(status.st_mode))
    throw Error(kFilePlace, fmt::format("'{}' is not a regular file", path),
                "give the path of a file");
  auto size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes)
    throw Error(kFilePlace,
                fmt::format("'{}' has {} bytes; the limit for this kind of file is {}", path, size,
                            max_bytes),
                "check that it is the right file");
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t got = ::read(file.value, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Error(kFilePlace, fmt::format("cannot read '{}': {}", path, std::strerror(errno)),
                  "check the disk");
    if (got == 0)
      throw Error(kFilePlace, fmt::format("'{}' was truncated while it was read", path),
                  "wait until the program that writes it has finished");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  if (path_.empty())
    throw Error(kFilePlace, "the name of the output file is empty", "give a file name");
  // Renaming over a folder would fail late, and renaming over a device would replace the device.
  if (path_exists(path_) && !is_file(path_))
    throw Error(kFilePlace, fmt::format("'{}' exists and is not a regular file", path_),
                "choose another file name");
  remove_leftovers(path_);
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100 && descriptor_ < 0; ++attempt) {
    temporary_ = fmt::format("{}.{}-{}.tmp", path_, ::getpid(), counter++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  // The lock tells remove_leftovers that this temporary file is in use.
  if (descriptor_ >= 0) (void)::flock(descriptor_, LOCK_EX | LOCK_NB);
  if (descriptor_ < 0) {
    int error = errno;
    const auto parent = std::filesystem::absolute(path_).parent_path();
    throw Error(kFilePlace, fmt::format("cannot write '{}': {}", path_, std::strerror(error)),
                error != ENOENT     ? hint_for(error)
                : is_folder(parent) ? "this folder accepts no files; choose another folder"
                                    : "create the parent folder first");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what, int error) {
  throw Error(kFilePlace, fmt::format("cannot {} '{}': {}", what, path_, std::strerror(error)),
              hint_for(error));
}

void AtomicFile::write(const void* data, size_t size) {
  auto bytes = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t done = ::write(descriptor_, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("write", errno);
    bytes += done;
    size -= static_cast<size_t>(done);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("write", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename to", errno);
  int file = descriptor_;
  descriptor_ = -1;
  // The data is already on the disk. Some network file systems report quota errors only here.
  if (::close(file) != 0 && errno != EINTR) fail("close", errno);
  // Makes the directory entry durable, too. Failures are ignored: some file systems cannot do this.
  auto folder = std::filesystem::path(path_).parent_path();
  Descriptor entry{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC)};
  if (entry.value >= 0) (void)::fsync(entry.value);
}

void write_file(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace emend
