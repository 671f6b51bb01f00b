#pragma once

// For tests only.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace emend {

// A new folder that goes away with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Names of all that is in it, sorted, with a space after each.
  std::string listing() const;

 private:
  std::string path_;
};

// While one exists, writing beyond `bytes` in any file fails with an error, as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(uint64_t bytes);
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk();

 private:
  uint64_t before_;
  void (*handler_)(int);
};

// The message of the emend::Error that `action` throws, or "no error".
std::string error_of(const std::function<void()>& action);

// Damaged versions of good files, the same ones in every run.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  // One to four of: flipped bits, extreme bytes, extreme 2- to 8-byte numbers, a cut, a piece left
  // out, doubled, or taken from another of the files.
  std::string mutate(const std::vector<std::string>& files);
  size_t below(size_t limit) { return limit ? random_() % limit : 0; }

 private:
  void damage(std::string& bytes, const std::string& other);

  std::mt19937_64 random_;
};

// Gives `count` damaged files to `reader`, which may return or throw emend::Error. Anything else,
// more than `seconds` of the processor's time for one file, or a peak of memory that grows by more
// than `bytes`, is told. Returns what went wrong first, or nothing.
std::string fuzz(const std::vector<std::string>& files, int count, uint64_t seed,
                 const std::function<void(const std::string&)>& reader, double seconds = 5,
                 uint64_t bytes = uint64_t{256} << 20);

}  // namespace emend
