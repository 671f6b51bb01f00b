#pragma once

// For tests only.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace emend {

// A new temporary folder, which the destructor removes with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string operator/(const std::string& name) const { return file(name); }
  // The sorted names of its entries, with a space after each.
  std::string listing() const;

 private:
  std::string path_;
};

// While an object exists, writing more than `bytes` bytes to any file fails as on a full disk.
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

// Makes damaged versions of valid files, the same ones in every run.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  // Applies one to four kinds of damage: flipped bits, extreme bytes, extreme numbers of 2 to 8
  // bytes, truncation, or a piece that is removed, repeated, or copied from another of the files.
  std::string mutate(const std::vector<std::string>& files);
  size_t below(size_t limit) { return limit ? random_() % limit : 0; }

 private:
  void damage(std::string& bytes, const std::string& other);

  std::mt19937_64 random_;
};

// Gives `count` damaged files to `reader`, which may return or throw emend::Error. Returns a
// description of the first failure, or an empty string. Failures are other exceptions, more than
// `seconds` of CPU time for one file, and a memory peak that grows by more than `bytes`.
std::string fuzz(const std::vector<std::string>& files, int count, uint64_t seed,
                 const std::function<void(const std::string&)>& reader, double seconds = 5,
                 uint64_t bytes = uint64_t{256} << 20);

}  // namespace emend
