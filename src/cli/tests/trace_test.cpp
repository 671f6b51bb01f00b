#include "cli/testing/program.h"
#include "io/json/json.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class TraceProgramTest : public ProgramTest {
 protected:
  static constexpr const char* kTrace =
      "trace -m {}/model --image {}/picture.png -p 'What is this cat?' --set rows=2 ";
};

TEST_F(TraceProgramTest, WritesAFolder) {
  const auto result = run(std::string(kTrace) + "--subject cat -o {}/out-trace");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("  picture   gray; p(answer) "));
  EXPECT_THAT(result.out, HasSubstr("  subject   noise of 3 x sigma, sigma "));
  EXPECT_THAT(result.out, HasSubstr("query tokens, which have no place in the picture"));
  EXPECT_THAT(result.out, HasSubstr("seen: "));
  EXPECT_THAT(result.out, HasSubstr("known: "));
  for (const char* name : {"trace.json", "trace.html", "image.svg", "image.png", "text.svg",
                           "text.png", "overlay.png"})
    EXPECT_TRUE(std::filesystem::exists(path("out-trace/") + name)) << name;
  EXPECT_EQ(read_image(path("out-trace/overlay.png")).width, 40);
  const auto json = read_json(path("out-trace/trace.json"));
  EXPECT_EQ(json["format"], "emend-trace");
  EXPECT_EQ(json["runs"].size(), 2u);
  EXPECT_EQ(json["settings"]["grid"], 4);
  EXPECT_EQ(json["answer"], json["target"]);
}

// More parts than the picture has patches.
TEST_F(TraceProgramTest, DrawsAFineGrid) {
  const auto json = run_json(std::string(kTrace) +
                             "--set grid=16 --set components=residual --set modules=vision_tower "
                             "-o {}/out-trace");
  EXPECT_TRUE(std::filesystem::exists(path("out-trace/overlay.png")));
  EXPECT_THAT(json["notes"].dump(), HasSubstr("of the 256 parts of the grid contain"));
  EXPECT_THAT(json["notes"].dump(), HasSubstr("is that of the vision tower's patches"));
}

TEST_F(TraceProgramTest, TracesAnAnswerThatTheModelDoesNotGive) {
  const auto json = run_json(std::string(kTrace) + "--target 'a dog' -o {}/out-trace");
  EXPECT_EQ(json["target"], "a dog");
  EXPECT_NE(json["answer"], "a dog");
  EXPECT_THAT(json["notes"].dump(), HasSubstr("The trace is of 'a dog', which --target names."));
}

TEST_F(TraceProgramTest, RefusesWrongInput) {
  const std::string trace = kTrace, out = " -o {}/out-trace";
  expect_refused(trace + "--subject dog" + out, "does not contain the subject 'dog'");
  expect_refused("trace -m {}/model -p 'What is this?'" + out, "nothing is corrupted");
  expect_refused("trace -m {}/model -p 'What?' --set image=gray" + out, "no picture to corrupt");
  expect_refused(trace + "--set layers=0-9" + out,
                 "layers '0-9' is not a list of block numbers from 0 to");
  expect_refused(trace + "--set layers=x" + out, "layers 'x' is not a list");
  expect_refused(trace + "--set windows=0" + out, "the setting windows is '0'");
  expect_refused(trace + "--set noise=1" + out, "noise");
  expect_refused(trace + "--set image=swap" + out, "no other picture is given");
  expect_refused(trace + "--other-image {}/picture.png" + out, "add --set image=swap");
  expect_refused(trace + "--other-words dog" + out, "no subject");
  expect_refused(trace + "--subject cat --other-words dog" + out, "add --set text=swap");
  expect_refused(trace + "-o {}/model", "is not empty");
  expect_refused(trace + "-o {}/none/deep", "cannot create the folder");
  expect_refused("trace -m {}/model" + out, "either a question or a suite");
  expect_refused(trace + "--suite scenes" + out, "cannot be used together");
  expect_refused("trace -m {}/model --suite counterfact -o {}/out-trace", "--data");
  expect_refused(trace + "--limit 3" + out, "--limit has no effect without a suite");
  expect_refused("trace --suite counterfact --data {}/x.json --probes 2" + out,
                 "--probes has no effect with --suite counterfact");
  expect_refused("trace --suite scenes --bare" + out, "cannot be used together");
}

TEST_F(TraceProgramTest, ChoosesLayers) {
  const auto json = run_json(std::string(kTrace) +
                             "--set layers=1 --set windows=1 --set modules=language "
                             "--set components=mlp -o {}/out-trace");
  ASSERT_EQ(json["runs"][0]["maps"].size(), 1u);
  EXPECT_EQ(json["runs"][0]["maps"][0]["layers"].dump(), R"(["language.block.1"])");
}

TEST_F(TraceProgramTest, TracesASuite) {
  const auto options = std::string(
      "trace --suite scenes --limit 2 --questions all --set rows=2 --set modules=language "
      "-o {}/suite");
  const auto result = run(options);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Questions of the edits: "));
  EXPECT_THAT(result.out, HasSubstr("Questions without a picture: "));
  const auto again = run_json(options);
  EXPECT_EQ(again, read_json(path("suite/trace.json")));
}

}  // namespace
}  // namespace emend
