#include "serving/engine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "io/testing.h"
#include "serving/api_error.h"
#include "tests/tiny_llava.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

// Requests that wait at the same time run as a batch, which a prompt with a placeholder in a wrong
// place and a prompt that is too long cannot join.
TEST(EngineTest, ABadPromptDoesNotFailTheOtherRequestsOfItsBatch) {
  TemporaryFolder folder;
  testing::write_tiny_llava(folder.path());
  const auto vlm = load_vlm(folder.path());
  ModelNames models(vlm);
  Engine engine(vlm, models);
  const auto answer = [&](const std::string& text) {
    ChatRequest request;
    request.model = "base";
    request.query.text = text;
    request.generation.max_new_tokens = 4;
    try {
      return engine.answer(request).text;
    } catch (const ApiError& error) {
      return fmt::format("{} {}: {}", error.status, error.type, error.what());
    }
  };
  const auto alone = answer("What is this?");
  const auto prompt_tokens = engine.counts().prompt_tokens;
  std::string endless;
  for (int64_t i = 0; i <= vlm.model->max_positions(); ++i) endless += "What is this? ";
  int rounds = 0;
  for (const std::string& bad : {std::string("a <image> b"), endless}) {
    ++rounds;
    std::promise<void> started, release;
    std::thread task([&] {
      engine.perform(
          [&] {
            started.set_value();
            release.get_future().wait();
          },
          Engine::TaskLength::lengthy);
    });
    started.get_future().wait();
    std::vector<std::future<std::string>> answers;
    const std::string good = "What is this?";
    for (const auto& text : {good, bad, good})
      answers.push_back(std::async(std::launch::async, answer, text));
    while (engine.counts().waiting < 3) std::this_thread::yield();
    release.set_value();
    task.join();
    EXPECT_EQ(answers[0].get(), alone);
    EXPECT_THAT(answers[1].get(), HasSubstr("400 invalid_request_error: "));
    EXPECT_EQ(answers[2].get(), alone);
    EXPECT_EQ(engine.counts().failed, rounds);
    EXPECT_EQ(engine.counts().batches, 1 + rounds);
    // Without the tokens of refused prompts.
    EXPECT_EQ(engine.counts().prompt_tokens, (1 + 2 * rounds) * prompt_tokens);
  }
}

}  // namespace
}  // namespace emend
