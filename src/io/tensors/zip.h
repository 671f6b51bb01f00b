#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// A file inside a zip archive: its bytes are those from `begin` to `end` of the archive.
struct ZipEntry {
  std::string name;
  uint64_t begin = 0, end = 0;
};

bool looks_like_zip(std::string_view bytes);

// The entries of an archive (zip64 too) whose files are stored as they are, in the order of their
// place. Throws emend::Error for compressed, encrypted, overlapping or doubled entries, and for
// what is damaged or cut short. Checksums are not looked at: the bytes may be many gigabytes.
std::vector<ZipEntry> list_zip(std::string_view bytes, const std::string& path);

}  // namespace emend
