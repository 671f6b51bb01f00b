// `emend ask` with several pictures.
#include "cli/testing/program.h"
#include "models/vlm.h"
#include "tests/tiny_llava.h"

namespace emend {
namespace {

class SeveralPicturesProgram : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    testing::write_tiny_llava(path("llava"));
    write_png(path("other.png"), *testing::noise_image(2));
  }
  static std::string ask(const std::string& prompt, const std::string& pictures,
                         const std::string& model = "llava") {
    return "ask -m {}/" + model + " -p '" + prompt + "' --max-new-tokens 8" + pictures;
  }
  // The answer of the library to kPrompt about two pictures, in a fork as the program's runs.
  static std::string answer_of_library(uint64_t first, uint64_t second) {
    const auto fork = testing::start_fork([&] {
      Query query{std::nullopt, kPrompt};
      for (const auto seed : {first, second}) query.add(*testing::noise_image(seed));
      const auto vlm = load_vlm(path("llava"));
      write_file(path("expected"), generate(vlm, {query}, {}, {.max_new_tokens = 8}).at(0));
      return 0;
    });
    EXPECT_EQ(testing::wait_for(fork), 0);
    return read_file(path("expected"));
  }
  static constexpr const char* kPrompt = "One <image> and <image>?";
  static constexpr const char* kTwo = " --image {}/picture.png --image {}/other.png";
  static constexpr const char* kSwapped = " --image {}/other.png --image {}/picture.png";
};

TEST_F(SeveralPicturesProgram, AskAnswersAboutThemInTheirOrder) {
  const auto asked = run_json(ask(kPrompt, kTwo)), swapped = run_json(ask(kPrompt, kSwapped));
  EXPECT_EQ(asked["image"], nlohmann::json({path("picture.png"), path("other.png")}));
  EXPECT_EQ(asked["formatted_prompt"], kPrompt);
  EXPECT_EQ(asked["answer"], answer_of_library(1, 2));
  EXPECT_EQ(swapped["answer"], answer_of_library(2, 1));
  EXPECT_NE(asked["answer"], swapped["answer"]);
}

TEST_F(SeveralPicturesProgram, AskNeedsAPlaceForEachOfThem) {
  expect_refused(ask("What is this?", kTwo), "does not say where its 2 pictures are");
  expect_refused(ask("<image> What is this?", kTwo), "once for each picture");
  testing::write_text(path("llava/chat_template.jinja"),
                      "{% for m in messages %}{% for c in m.content %}"
                      "{% if c.type == 'image' %}<image> {% else %}{{ c.text }}{% endif %}"
                      "{% endfor %}{% endfor %} A:");
  EXPECT_EQ(run_json(ask("What is this?", kTwo))["formatted_prompt"],
            "<image> <image> What is this? A:");
}

TEST_F(SeveralPicturesProgram, AskRefusesThemForAModelThatReadsOne) {
  expect_refused(ask("What is this?", kTwo, "model"),
                 "there are 2 pictures, but this model reads one");
}

TEST_F(SeveralPicturesProgram, AskNamesTheFileThatIsMissing) {
  expect_refused(ask("<image><image>?", " --image {}/picture.png --image {}/none.png"), "none.png");
  expect_refused(ask("<image><image>?", " --image {}/picture.png --image {}/text.png"), "text.png");
  expect_refused(ask("<image><image>?", " --image {}/picture.png --image ''"), "--image");
}

}  // namespace
}  // namespace emend
