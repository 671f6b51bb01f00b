#include "io/testing.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <stdexcept>

#include "io/error.h"
#include "io/runtime.h"

namespace emend {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  path_ = (fs::temp_directory_path() / "emend-test-XXXXXX").string();
  if (!::mkdtemp(path_.data())) throw std::runtime_error("cannot create a temporary folder");
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::listing() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string text;
  for (const auto& name : names) text.append(name).append(" ");
  return text;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

FullDisk::FullDisk(uint64_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  before_ = limit.rlim_cur;
  limit.rlim_cur = bytes;
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

FullDisk::~FullDisk() {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = before_;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, handler_);
}

std::string Mutator::mutate(const std::vector<std::string>& files) {
  std::string bytes = files[below(files.size())];
  const auto& other = files[below(files.size())];
  for (size_t i = 0, count = 1 + below(4); i < count; ++i) damage(bytes, other);
  return bytes;
}

void Mutator::damage(std::string& bytes, const std::string& other) {
  // Half of the damage is near the start, where headers are.
  auto place = [&] {
    auto size = below(2) ? bytes.size() : std::min<size_t>(bytes.size(), 64);
    return below(size);
  };
  switch (below(8)) {
    case 0:
      if (!bytes.empty()) bytes[place()] ^= static_cast<char>(1 << below(8));
      return;
    case 1: {
      static constexpr unsigned char kExtreme[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '[', '9', '-'};
      if (!bytes.empty()) bytes[place()] = static_cast<char>(kExtreme[below(10)]);
      return;
    }
    case 2: {
      static constexpr uint64_t kExtreme[] = {
          0, 1, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, ~uint64_t{0}};
      const auto value = kExtreme[below(8)];
      const size_t width = size_t{2} << below(3), at = place();
      const bool little = below(2);
      for (size_t i = 0; i < width && at + i < bytes.size(); ++i)
        bytes[at + i] = static_cast<char>(value >> 8 * (little ? i : width - 1 - i));
      return;
    }
    case 3:
      bytes.resize(below(bytes.size() + 1));
      return;
    case 4:
      if (!bytes.empty()) bytes.erase(place(), 1 + below(32));
      return;
    case 5: {
      const auto piece = bytes.substr(place(), 1 + below(64));
      bytes.insert(place(), piece);
      return;
    }
    case 6:
      bytes.insert(place(), other.substr(below(other.size()), 1 + below(64)));
      return;
    default: {
      const size_t at = place();
      bytes = bytes.substr(0, at) + other.substr(std::min(at, other.size()));
    }
  }
}

// The address sanitizer keeps freed memory.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kFreedMemoryIsReused = false;
#else
constexpr bool kFreedMemoryIsReused = true;
#endif

std::string fuzz(const std::vector<std::string>& files, int count, uint64_t seed,
                 const std::function<void(const std::string&)>& reader, double seconds,
                 uint64_t bytes) {
  Mutator mutator(seed);
  const auto memory = peak_resident_bytes();
  for (int i = 0; i < count; ++i) {
    const auto input = mutator.mutate(files);
    const auto start = std::clock();
    try {
      reader(input);
    } catch (const Error&) {
    } catch (const std::exception& error) {
      return fmt::format("input {}: {}", i, error.what());
    } catch (...) {
      return fmt::format("input {}: something that is not a std::exception", i);
    }
    const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (took > seconds) return fmt::format("input {}: took {:.1f} s", i, took);
    if (auto peak = peak_resident_bytes(); kFreedMemoryIsReused && peak > memory + bytes)
      return fmt::format("input {}: memory grew by {} MB", i, (peak - memory) >> 20);
  }
  return "";
}

}  // namespace emend
