#include <cmath>

#include "cli/testing/program.h"
#include "io/cpu.h"
#include "io/tensors/safetensors.h"
#include "tests/stored_folder.h"

namespace emend {
namespace {

class PrecisionProgramTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    testing::copy_folder(path("model"), path("fp16"), at::kHalf);
    testing::copy_folder(path("model"), path("bf16"), at::kBFloat16);
  }
  static nlohmann::json inspected(const std::string& folder, const std::string& options = "") {
    return run_json("inspect {}/" + folder + " " + options);
  }
};

TEST_F(PrecisionProgramTest, InspectExplainsTheChosenDtype) {
  auto half = inspected("fp16");
  EXPECT_EQ(half["dtype"], "fp32");
  EXPECT_EQ(half["weights"], "fp16");
  EXPECT_THAT(half["dtype_reason"], ::testing::HasSubstr("stored in fp16"));
  auto narrow = inspected("bf16");
  EXPECT_EQ(narrow["dtype"], bf16_is_fast() ? "bf16" : "fp32");
  EXPECT_EQ(narrow["weights"], "bf16");
  EXPECT_EQ(inspected("model")["weights"], "fp32");
  auto asked = inspected("fp16", "--dtype bf16");
  EXPECT_EQ(asked["dtype"], "bf16");
  EXPECT_EQ(asked["weights"], "bf16");
  EXPECT_THAT(run("inspect {}/fp16").out, ::testing::HasSubstr("from weights in fp16"));
}

TEST_F(PrecisionProgramTest, InspectNamesWeightsThatAreNotFinite) {
  EXPECT_EQ(inspected("model")["not_finite"], nlohmann::json::array());
  testing::copy_folder(path("model"), path("nan"), at::kFloat);
  const std::string name = "language_model.model.decoder.layers.0.fc1.weight";
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  const auto checkpoint = Checkpoint::open(path("model"));
  for (const auto& each : checkpoint.names()) {
    tensors.emplace_back(each, checkpoint.tensor(each).clone());
    if (each == name) tensors.back().second.view(-1)[3] = NAN;
  }
  write_safetensors(path("nan/model.safetensors"), tensors, {{"format", "pt"}});
  EXPECT_EQ(inspected("nan")["not_finite"], nlohmann::json::array({name}));
  EXPECT_THAT(run("inspect {}/nan").out, ::testing::HasSubstr("not finite    " + name));
  expect_refused("ask -m {}/nan -p 'What is this?'", "emend inspect FOLDER");
}

TEST_F(PrecisionProgramTest, Bf16FoldersAreComputedInFp32WithoutAvx512) {
  auto result = run("inspect {}/bf16 --json", "ATEN_CPU_CAPABILITY=avx2");
  auto json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_EQ(json["dtype"], "fp32");
  EXPECT_EQ(json["weights"], "bf16");
  EXPECT_THAT(json["dtype_reason"], ::testing::HasSubstr("slowly"));
}

// Weights that are kept in 16 bits and weights that are upcast give the same answer.
TEST_F(PrecisionProgramTest, AsksAndEditsAFolderInFp16) {
  const std::string ask = "ask -m {}/fp16 --image {}/picture.png -p 'What is this?'";
  auto kept = run_json(ask), upcast = run_json(ask + " --dtype fp32");
  EXPECT_EQ(kept["answer"], upcast["answer"]);
  EXPECT_EQ(kept["weights"], "fp16");
  EXPECT_EQ(upcast["weights"], "fp32");
  EXPECT_EQ(upcast["dtype_reason"], "it was requested");
}

}  // namespace
}  // namespace emend
