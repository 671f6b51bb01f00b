#include <gtest/gtest.h>

#include <fstream>

#include "io/files/file.h"
#include "io/tensors/pickle.h"
#include "io/tensors/torch_file.h"
#include "io/tensors/zip.h"
#include "io/testing.h"
#include "io/testing_torch.h"

namespace emend {
namespace {

std::vector<std::string> torch_files() {
  std::vector<std::string> files;
  for (const char* name : {"zip", "legacy", "protocol4", "hostile"})
    files.push_back(
        read_file(std::string(EMEND_SOURCE_DIR "/src/io/testdata/torch/") + name + ".pth"));
  return files;
}

// Reads every tensor of an accepted file from its first element to its last.
void read_all(const TorchFile& file) {
  for (const auto& [name, info] : file.tensors()) {
    const auto tensor = file.tensor(name).clone();
    ASSERT_EQ(at::IntArrayRef(info.shape), tensor.sizes());
    ASSERT_EQ(info.end, tensor.nbytes());
  }
}

TEST(TorchFuzz, DamagedFilesThrowOrCanBeRead) {
  TemporaryFolder folder;
  const auto path = folder.file("t");
  int accepted = 0;
  const auto wrong = fuzz(torch_files(), 1500, 1, [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
    read_all(*TorchFile::open(path, {"model"}));
    ++accepted;
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(accepted, 20);
}

// Damages only the pickle, to reach the code after the checks of the archive.
TEST(TorchFuzz, DamagedPicklesThrowOrAreValid) {
  std::vector<std::string> pickles;
  std::string data;
  for (const auto& bytes : torch_files()) {
    if (!looks_like_zip(bytes)) continue;
    for (const auto& entry : list_zip(bytes, "fuzzed"))
      if (entry.name.ends_with("/data.pkl"))
        pickles.push_back(bytes.substr(entry.begin, entry.end - entry.begin));
  }
  ASSERT_EQ(3U, pickles.size());
  by_hand::Named storages;
  for (const auto& entry : list_zip(torch_files()[0], "fuzzed"))
    if (entry.name.find("/data/") != std::string::npos)
      storages.emplace_back("x/" + entry.name.substr(entry.name.find('/') + 1),
                            torch_files()[0].substr(entry.begin, entry.end - entry.begin));
  TemporaryFolder folder;
  const auto path = folder.file("t");
  int accepted = 0;
  const auto wrong = fuzz(pickles, 1500, 2, [&](const std::string& pickle) {
    auto entries = storages;
    entries.emplace_back("x/data.pkl", pickle);
    const auto bytes = by_hand::torch_zip(entries);
    std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
    read_all(*TorchFile::open(path, {"model"}));
    ++accepted;
  });
  EXPECT_EQ("", wrong);
  EXPECT_GT(accepted, 20);
}

// All names are allowed, so that all instructions are reached with all kinds of values.
TEST(TorchFuzz, RandomInstructionsThrowOrGiveInertValues) {
  const auto files = torch_files();
  const auto wrong = fuzz({files[2].substr(0, 4000), std::string("\x80\x02") + "}](K\1K\2eU\1aNs.",
                           "\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\1a\x8c\1b\x93)\x81}b."},
                          20000, 3, [&](const std::string& bytes) {
                            const Pickle pickle(bytes, "fuzzed", [](auto, auto) { return true; });
                            for (Pickle::Index i = 0; i < pickle.count(); ++i) {
                              for (auto item : pickle.at(i).items) ASSERT_LT(item, pickle.count());
                              pickle.name(i);
                            }
                          });
  EXPECT_EQ("", wrong);
}

TEST(TorchFuzz, DamagedArchivesThrowOrLieInsideTheFile) {
  int accepted = 0;
  const auto wrong = fuzz({torch_files()[0], by_hand::torch_zip({{"a", "1"}, {"b", ""}}, true)},
                          10000, 4, [&](const std::string& bytes) {
                            for (const auto& entry : list_zip(bytes, "fuzzed")) {
                              ASSERT_LE(entry.begin, entry.end);
                              ASSERT_LE(entry.end, bytes.size());
                            }
                            ++accepted;
                          });
  EXPECT_EQ("", wrong);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace emend
