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
// place cannot join.
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
      return fmt::format("{}: {}", error.status, error.what());
    }
  };
  const auto alone = answer("What is this?");
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
  for (const char* text : {"What is this?", "a <image> b", "What is this?"})
    answers.push_back(std::async(std::launch::async, answer, text));
  while (engine.counts().waiting < 3) std::this_thread::yield();
  release.set_value();
  task.join();
  EXPECT_EQ(answers[0].get(), alone);
  EXPECT_THAT(answers[1].get(), HasSubstr("400: "));
  EXPECT_EQ(answers[2].get(), alone);
  EXPECT_EQ(engine.counts().failed, 1);
  EXPECT_EQ(engine.counts().batches, 2);
}

}  // namespace
}  // namespace emend
