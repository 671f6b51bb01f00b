#include <gmock/gmock.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "models/convert/convert.h"
#include "models/testing/fixture.h"
#include "models/vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

const std::string kMiniGpt4Files = EMEND_SOURCE_DIR "/src/models/testdata/convert/minigpt4/";

class ConvertMiniGPT4 : public ::testing::Test {
 protected:
  ConvertMiniGPT4() {
    options_.vision_heads = options_.qformer_heads = 2;
    fs::copy(kMiniGpt4Files + "vicuna", root_.file("vicuna"));
  }
  std::string refused(const MiniGPT4Files& files) {
    try {
      convert_minigpt4(files, root_.file("out"), options_);
    } catch (const Error& error) {
      EXPECT_EQ("vicuna ", root_.listing()) << "files were left behind";
      return error.what();
    }
    return "converted";
  }

  TemporaryFolder root_;
  ConvertOptions options_;
  MiniGPT4Files files_{kMiniGpt4Files + "vit.pth", kMiniGpt4Files + "qformer.pth",
                       kMiniGpt4Files + "projection.pth", root_.file("vicuna")};
  fixtures::Fixture fixture_ = fixtures::Fixture::open("minigpt4/plain");
};

TEST_F(ConvertMiniGPT4, AgreesWithItsParts) {
  const auto result = convert_minigpt4(files_, root_.file("out"), options_);
  const auto vlm = load_vlm(root_.file("out"));
  for (const char* name : {"image_right", "text_right"}) {
    const auto compared = compare_stages(*vlm.model, fixture_, name);
    EXPECT_TRUE(fixtures::within(compared)) << fixtures::worst(compared);
  }
  // The tensors have the same bits as those of the fixture's folder.
  const auto converted = Checkpoint::open(root_.file("out"));
  ASSERT_EQ(fixture_.checkpoint.names(), converted.names());
  for (const auto& name : converted.names())
    EXPECT_TRUE(at::equal(fixture_.checkpoint.tensor(name).to(at::kFloat),
                          converted.tensor(name).to(at::kFloat)))
        << name;
  EXPECT_EQ(architecture_of(fixture_.config).canonical,
            architecture_of(read_json(root_.file("out/config.json"))).canonical);
  EXPECT_EQ(fixture_.config["stop_sequences"],
            read_json(root_.file("out/config.json"))["stop_sequences"]);
  for (const char* ignored : {"norm.weight (", "t5_proj.bias ("})
    EXPECT_THAT(result.ignored, Contains(HasSubstr(ignored)));
}

// Rows as in EasyEdit: the fixture's ids are those of separately tokenized pieces.
TEST_F(ConvertMiniGPT4, PromptsAgreeWithEasyEdit) {
  convert_minigpt4(files_, root_.file("out"), options_);
  LoadOptions bare;
  bare.chat_template = false;
  const auto as_is = load_vlm(root_.file("out"), bare);
  const auto shown = fixture_.batch("image_right").rows, told = fixture_.batch("text_right").rows;
  EXPECT_EQ(shown[0].ids, as_is.processor.row("a red star", 0).ids);
  EXPECT_EQ(shown[1].ids, as_is.processor.row("dog", 1).ids);
  EXPECT_EQ(told[0].ids, as_is.processor.row("a red star").ids);

  const auto vlm = load_vlm(root_.file("out"));
  const auto wrapped = vlm.processor.prompt("What is it?", true);
  EXPECT_EQ("###Human: <Img><ImageHere></Img> What is it? ###Assistant:", wrapped);
  EXPECT_EQ(wrapped, vlm.processor.prompt(wrapped, true));
  EXPECT_EQ("###Human: What is it? ###Assistant:", vlm.processor.prompt("What is it?", false));
  const auto row = vlm.processor.row("What is it?", 0);
  EXPECT_EQ(1, row.ids.front());
  EXPECT_EQ(3, std::count(row.ids.begin(), row.ids.end(), kImageToken));
  EXPECT_EQ(1, vlm.processor.row("What is it?").ids.front());
  EXPECT_THROW(vlm.processor.row("a <ImageHere> b"), Error);
  EXPECT_THROW(vlm.processor.row("a \x1e b", 0), Error);
}

TEST_F(ConvertMiniGPT4, AnswersEndBeforeAStopSequence) {
  const auto model = fixtures::load(fixture_);
  GenerationOptions options;
  options.max_new_tokens = 12;
  const auto whole = generate_tokens(*model, fixture_.batch("image_left"), {}, {}, options);
  ASSERT_EQ(12U, whole[0].size());
  options.stop_sequences = {{whole[0][4], whole[0][5]}, {whole[1][2], whole[0][3], whole[0][2]}};
  const auto cut = generate_tokens(*model, fixture_.batch("image_left"), {}, {}, options);
  size_t first = 0;
  while (whole[0][first] != whole[0][4] || whole[0][first + 1] != whole[0][5]) ++first;
  EXPECT_EQ(std::vector<int64_t>(whole[0].begin(), whole[0].begin() + first), cut[0]);
}

TEST_F(ConvertMiniGPT4, RejectsMissingAndUnexpectedTensors) {
  auto files = files_;
  files.vit.clear();
  EXPECT_THAT(refused(files), HasSubstr("has no vision tower"));
  files = files_;
  files.projection = files_.qformer;
  EXPECT_THAT(refused(files), HasSubstr("has tensors other than the projection (llama_proj.)"));
  files = files_;
  files.qformer = files_.projection;
  EXPECT_THAT(refused(files), HasSubstr("query_tokens"));
  files = files_;
  files.language = kMiniGpt4Files;
  EXPECT_THAT(refused(files), HasSubstr("config.json"));

  auto config = read_json(root_.file("vicuna/config.json"));
  config["num_hidden_layers"] = 3;
  write_json(root_.file("vicuna/config.json"), config);
  EXPECT_THAT(refused(files_), AllOf(HasSubstr("9 missing: language_model.model.layers.2.")));
  config["num_hidden_layers"] = 1;
  write_json(root_.file("vicuna/config.json"), config);
  EXPECT_THAT(refused(files_), HasSubstr("9 unexpected: language_model.model.layers.1."));
}

}  // namespace
}  // namespace emend
