#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/files/file.h"
#include "io/tensors/safetensors.h"
#include "io/tensors/safetensors_header.h"
#include "io/testing.h"

namespace emend {
namespace {

std::vector<std::string> safetensors_files() {
  TemporaryFolder folder;
  auto path = folder.file("a");
  write_safetensors(path, {{"weight", at::ones({3, 4})}, {"bias", at::zeros({4}, at::kHalf)}},
                    {{"format", "pt"}});
  return {read_file(path), read_file(EMEND_SOURCE_DIR "/src/io/testdata/dtypes.safetensors")};
}

// The header of an accepted file must place every tensor inside the file, with the number of bytes
// that its shape needs. This check does not use the reader's code.
void check(const SafetensorsHeader& header, uint64_t size) {
  uint64_t covered = 0;
  for (const auto& [name, info] : header.tensors) {
    ASSERT_LE(info.begin, info.end);
    ASSERT_LE(header.data_begin + info.end, size);
    covered += info.end - info.begin;
    if (info.dtype == at::ScalarType::Undefined) continue;
    unsigned __int128 bytes = c10::elementSize(info.dtype);
    for (auto extent : info.shape) bytes *= static_cast<uint64_t>(extent);
    ASSERT_TRUE(bytes == info.end - info.begin);
  }
  ASSERT_EQ(header.data_begin + covered, size);
}

TEST(SafetensorsFuzz, DamagedHeadersThrowOrAreValid) {
  int accepted = 0;
  auto wrong = fuzz(safetensors_files(), 6000, 1, [&](const std::string& bytes) {
    auto header = parse_safetensors_header(reinterpret_cast<const uint8_t*>(bytes.data()),
                                           bytes.size(), "fuzzed");
    check(header, bytes.size());
    ++accepted;
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(accepted, 0);
}

// Damages only the JSON, with a correct length, to reach the code after the first checks.
TEST(SafetensorsFuzz, DamagedJsonOfCorrectLengthThrowsOrIsValid) {
  auto files = safetensors_files();
  std::vector<std::string> headers;
  std::string data;
  for (const auto& file : files) {
    uint64_t length;
    std::memcpy(&length, file.data(), 8);
    headers.push_back(file.substr(8, length));
    data = file.substr(8 + length);
  }
  auto wrong = fuzz(headers, 6000, 2, [&](const std::string& header) {
    std::string bytes(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    bytes += header + data;
    check(parse_safetensors_header(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                   "fuzzed"),
          bytes.size());
  });
  EXPECT_EQ("", wrong);
}

TEST(SafetensorsFuzz, DamagedFilesThrowOrCanBeRead) {
  TemporaryFolder folder;
  auto path = folder.file("t");
  auto wrong = fuzz(safetensors_files(), 1500, 3, [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
    auto file = SafetensorsFile::open(path);
    for (const auto& [name, info] : file->tensors()) {
      if (info.dtype == at::ScalarType::Undefined) continue;
      auto tensor = file->tensor(name).clone();
      ASSERT_EQ(info.end - info.begin, tensor.nbytes());
    }
  });
  EXPECT_EQ("", wrong);
}

TEST(CheckpointFuzz, DamagedIndexThrowsOrIsValid) {
  TemporaryFolder folder;
  write_safetensors(folder.file("one.safetensors"), {{"a", at::ones({2})}, {"b", at::ones({3})}});
  write_safetensors(folder.file("two.safetensors"), {{"c", at::zeros({4})}});
  const std::string index = R"({"metadata": {"total_size": 36}, "weight_map": {
      "a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}})";
  auto path = folder.file("model.safetensors.index.json");
  int accepted = 0;
  auto wrong = fuzz({index}, 1500, 4, [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
    auto checkpoint = Checkpoint::open(folder.path());
    ASSERT_EQ((std::vector<std::string>{"a", "b", "c"}), checkpoint.names());
    ++accepted;
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace emend
