#include "io/tensors/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kZipPlace = "io::zip";
constexpr uint64_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kCentralSize = 46,
                   kLocalSize = 30;
constexpr uint64_t kMaxZipEntries = 1'000'000;

// The layout is that of PKWARE's APPNOTE 6.3.
class Archive {
 public:
  Archive(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  std::vector<ZipEntry> list() const {
    auto directory = find_directory();
    std::vector<ZipEntry> entries;
    std::set<std::string> names;
    for (uint64_t i = 0; i < directory.count; ++i) {
      auto entry = read_entry(directory);
      if (!names.insert(entry.name).second)
        fail(fmt::format("has two entries '{}'", entry.name.substr(0, 100)));
      entries.push_back(std::move(entry));
    }
    std::sort(entries.begin(), entries.end(), [](const ZipEntry& a, const ZipEntry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    for (size_t i = 1; i < entries.size(); ++i)
      if (entries[i].begin < entries[i - 1].end)
        fail(fmt::format("has entries that overlap at '{}'", entries[i].name.substr(0, 100)));
    return entries;
  }

 private:
  struct Directory {
    uint64_t at = 0, end = 0, count = 0;
  };

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(kZipPlace, fmt::format("'{}' {}", path_, problem),
                "the archive is damaged or incomplete; fetch it again");
  }

  bool has(uint64_t at, uint64_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }
  // Callers have checked that the bytes exist.
  uint64_t number(uint64_t at, int size) const {
    uint64_t value = 0;
    for (int i = size - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes_[at + i]);
    return value;
  }
  bool is(uint64_t at, std::string_view signature) const {
    return has(at, 4) && bytes_.substr(at, 4) == signature;
  }

  Directory find_directory() const {
    if (bytes_.size() < kEndSize) fail("is truncated");
    const uint64_t last = bytes_.size() - kEndSize;
    const uint64_t first = last - std::min<uint64_t>(last, 0xffff);  // a comment may follow
    for (uint64_t at = last + 1; at-- > first;) {
      if (!is(at, "PK\5\6") || at + kEndSize + number(at + 20, 2) != bytes_.size()) continue;
      Directory directory{number(at + 16, 4), 0, number(at + 10, 2)};
      uint64_t size = number(at + 12, 4);
      uint64_t limit = at;
      if (number(at + 4, 2) != 0 && number(at + 4, 2) != 0xffff)
        fail("is one part of a multi-part archive");
      if (at >= kLocatorSize && is(at - kLocatorSize, "PK\6\7")) {
        const uint64_t end64 = number(at - kLocatorSize + 8, 8);
        if (!has(end64, kEnd64Size) || !is(end64, "PK\6\6"))
          fail("has a malformed zip64 end-of-central-directory record");
        directory.count = number(end64 + 32, 8);
        size = number(end64 + 40, 8);
        directory.at = number(end64 + 48, 8);
        limit = end64;
      }
      if (directory.at > limit || size > limit - directory.at || directory.count > kMaxZipEntries ||
          directory.count > size / kCentralSize)
        fail("has a central directory that exceeds the archive");
      directory.end = directory.at + size;
      return directory;
    }
    fail("is truncated: it has no central directory at its end");
  }

  // Reads the next entry of the central directory.
  ZipEntry read_entry(Directory& directory) const {
    const uint64_t at = directory.at;
    if (directory.end - at < kCentralSize || !is(at, "PK\1\2"))
      fail("has a malformed central directory");
    const uint64_t name = number(at + 28, 2), extra = number(at + 30, 2),
                   comment = number(at + 32, 2);
    if (directory.end - at - kCentralSize < name + extra + comment)
      fail("has a malformed central directory");
    directory.at += kCentralSize + name + extra + comment;

    ZipEntry entry{std::string(bytes_.substr(at + kCentralSize, name))};
    const auto quoted = entry.name.substr(0, 100);
    uint64_t packed = number(at + 20, 4), size = number(at + 24, 4), local = number(at + 42, 4);
    read_extra(at + kCentralSize + name, extra, size, packed, local);
    if (number(at + 8, 2) & 1) fail(fmt::format("has the encrypted entry '{}'", quoted));
    if (number(at + 10, 2) != 0 || packed != size)
      fail(fmt::format("has the compressed entry '{}'; torch does not compress its files", quoted));
    if (!has(local, kLocalSize) || !is(local, "PK\3\4"))
      fail(fmt::format("has no file '{}' at the position in its central directory", quoted));
    const uint64_t its_name = number(local + 26, 2), its_extra = number(local + 28, 2);
    entry.begin = local + kLocalSize + its_name + its_extra;
    if (!has(local + kLocalSize, its_name) ||
        bytes_.substr(local + kLocalSize, its_name) != entry.name)
      fail(fmt::format("has another file at the position of '{}'", quoted));
    if (!has(entry.begin, size)) fail(fmt::format("is truncated in '{}'", quoted));
    entry.end = entry.begin + size;
    return entry;
  }

  // The 64-bit numbers of zip64 for fields that do not fit into 32 bits: in this order, each only
  // if needed.
  void read_extra(uint64_t at, uint64_t length, uint64_t& size, uint64_t& packed,
                  uint64_t& local) const {
    const uint64_t end = at + length;
    while (end - at >= 4) {
      const uint64_t kind = number(at, 2), its_length = number(at + 2, 2);
      at += 4;
      if (its_length > end - at) fail("has a malformed central directory");
      if (kind == 1) {
        uint64_t from = at;
        for (uint64_t* wide : {&size, &packed, &local}) {
          if (*wide != 0xffffffff) continue;
          if (at + its_length - from < 8) fail("has a malformed central directory");
          *wide = number(from, 8);
          from += 8;
        }
      }
      at += its_length;
    }
  }

  std::string_view bytes_;
  const std::string& path_;
};

}  // namespace

bool looks_like_zip(std::string_view bytes) { return bytes.substr(0, 4) == "PK\3\4"; }

std::vector<ZipEntry> list_zip(std::string_view bytes, const std::string& path) {
  return Archive(bytes, path).list();
}

}  // namespace emend
