#include "editing/training/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "io/testing_torch.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

EditorCheckpoint example() {
  EditorCheckpoint checkpoint;
  checkpoint.editor = "mend";
  checkpoint.base = "f00d";
  checkpoint.settings = {{"lr", 1e-4}};
  checkpoint.training = {{"steps", 3}, {"loss", 0.125}};
  checkpoint.tensors["a.weight"] = at::arange(6, at::kFloat).reshape({2, 3});
  checkpoint.tensors["adam.mean"] = at::ones({4});
  return checkpoint;
}

std::string checkpoint_refusal(const std::string& path) {
  try {
    load_checkpoint(path, "mend", "f00d");
  } catch (const Error& error) {
    return error.what();
  }
  return "read";
}

TEST(Checkpoint, SavedAndLoadedIsEqual) {
  TemporaryFolder folder;
  const auto path = folder.file("mend.safetensors");
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    save_checkpoint(path, example(), dtype);
    const auto read = load_checkpoint(path, "mend", "f00d");
    EXPECT_EQ(read.settings, example().settings);
    EXPECT_EQ(read.training, example().training);
    EXPECT_TRUE(at::equal(read.tensors.at("a.weight"), example().tensors.at("a.weight")));
    EXPECT_EQ(read.tensors.at("a.weight").scalar_type(), at::kFloat);
  }
}

TEST(Checkpoint, CalibrationStaysFloat32) {
  TemporaryFolder folder;
  const auto path = folder.file("ledger.safetensors");
  auto checkpoint = example();
  checkpoint.tensors["calibration"] = at::full({2, 3}, 0.1f);
  save_checkpoint(path, checkpoint, at::kBFloat16);
  EXPECT_TRUE(at::equal(load_checkpoint(path, "mend", "f00d").tensors.at("calibration"),
                        checkpoint.tensors.at("calibration")));
}

// Training resumes from such a file, so a flipped bit must be detected.
TEST(Checkpoint, DetectsAFlippedBit) {
  TemporaryFolder folder;
  const auto path = folder.file("mend.safetensors.state");
  save_checkpoint(path, example());
  const auto whole = read_file(path);
  auto bytes = whole;
  bytes[bytes.size() - 1] ^= 1;  // the most significant byte of the last number
  write_file(path, bytes);
  EXPECT_THAT(checkpoint_refusal(path), HasSubstr("checksum"));
  bytes = whole;
  const auto digit = bytes.find("0.125");
  ASSERT_NE(digit, std::string::npos);
  bytes[digit + 2] = '2';
  write_file(path, bytes);
  EXPECT_THAT(checkpoint_refusal(path), HasSubstr("checksum"));
  write_file(path, whole);
  EXPECT_EQ(checkpoint_refusal(path), "read");
}

TEST(Checkpoint, ReadsFilesWithoutAChecksum) {
  TemporaryFolder folder;
  const auto path = folder.file("old.safetensors");
  save_checkpoint(path, example());
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
  {
    const auto file = SafetensorsFile::open(path);
    for (const auto& [name, info] : file->tensors()) tensors[name] = file->tensor(name).clone();
    metadata = file->metadata();
  }
  metadata["version"] = "1";
  metadata.erase("checksum");
  write_safetensors(path, {tensors.begin(), tensors.end()}, metadata);
  EXPECT_EQ(checkpoint_refusal(path), "read");
  metadata["version"] = "2";
  write_safetensors(path, {tensors.begin(), tensors.end()}, metadata);
  EXPECT_THAT(checkpoint_refusal(path), HasSubstr("checksum"));
  metadata["version"] = "3";
  write_safetensors(path, {tensors.begin(), tensors.end()}, metadata);
  EXPECT_THAT(checkpoint_refusal(path), HasSubstr("format 3"));
}

}  // namespace
}  // namespace emend
