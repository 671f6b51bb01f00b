#include "editing/settings/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "editing/registry.h"
#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Example {
  int64_t steps = 3;
  double lr = 0.5;
  bool flag = true;
  std::string mode = "a";
  std::string words = "some";

  void declare(SettingList& list) {
    list.whole("steps", steps, 0, 10, "how many");
    list.number("lr", lr, 0, 1, "how far");
    list.flag("flag", flag, "whether");
    list.choice("mode", mode, {"a", "b"}, "which");
    list.text("words", words, "what");
  }
};

std::string settings_refusal(const json& given) {
  try {
    read_settings<Example>("example", given);
    return "read";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(SettingsTest, DeclarationDefinesParsingResultsAndHelp) {
  auto read = read_settings<Example>("example", {{"steps", 7}, {"lr", 1}, {"mode", "b"}});
  EXPECT_EQ(read.steps, 7);
  EXPECT_EQ(read.lr, 1.0);
  EXPECT_EQ(read.words, "some");
  EXPECT_EQ(settings_json(read),
            json({{"steps", 7}, {"lr", 1.0}, {"flag", true}, {"mode", "b"}, {"words", "some"}}));
  EXPECT_EQ(settings_json(read_settings<Example>("example", settings_json(read))),
            settings_json(read));
  EXPECT_EQ(read_settings<Example>("example", nullptr).steps, 3);
  auto infos = describe_settings<Example>();
  ASSERT_EQ(infos.size(), 5u);
  EXPECT_EQ(infos[0].name, "steps");
  EXPECT_EQ(infos[0].value, 3);
  EXPECT_EQ(infos[0].range, "0 to 10");
  EXPECT_EQ(infos[3].range, "a, b");
  EXPECT_EQ(infos[4].meaning, "what");
}

TEST(SettingsTest, RejectsInvalidSettings) {
  EXPECT_THAT(settings_refusal({{"stepz", 1}}), AllOf(HasSubstr("'example'"), HasSubstr("'stepz'"),
                                                      HasSubstr("available settings: steps, lr")));
  EXPECT_THAT(settings_refusal({{"steps", 11}}), HasSubstr("a whole number between 0 and 10"));
  EXPECT_THAT(settings_refusal({{"steps", 1.5}}), HasSubstr("whole number"));
  EXPECT_THAT(settings_refusal({{"steps", std::numeric_limits<uint64_t>::max()}}),
              HasSubstr("whole"));
  EXPECT_THAT(settings_refusal({{"lr", "fast"}}),
              AllOf(HasSubstr("\"fast\""), HasSubstr("a number")));
  EXPECT_THAT(settings_refusal({{"lr", -0.1}}), HasSubstr("between 0 and 1"));
  EXPECT_THAT(settings_refusal({{"lr", std::nan("")}}), HasSubstr("between 0 and 1"));
  EXPECT_THAT(settings_refusal({{"flag", 1}}), HasSubstr("true or false"));
  EXPECT_THAT(settings_refusal({{"mode", "c"}}), HasSubstr("one of a, b"));
  EXPECT_THAT(settings_refusal({{"words", nullptr}}), HasSubstr("text"));
  EXPECT_THAT(settings_refusal({{"words", "\xff"}}), HasSubstr("read"));
  EXPECT_THAT(settings_refusal(json::array({1})), HasSubstr("names to values"));
}

TEST(RegistryTest, ParsesEditors) {
  auto specs = parse_editors("ft:language, ft:vision,lora,serac:paper");
  ASSERT_EQ(specs.size(), 4u);
  EXPECT_EQ(specs[1].label, "ft:vision");
  EXPECT_EQ(specs[1].name, "ft");
  EXPECT_EQ(specs[1].settings, json({{"module", "vision"}}));
  EXPECT_EQ(specs[2].settings, json::object());
  auto message = [](const std::string& list) -> std::string {
    try {
      parse_editors(list);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message("ft,ft"), HasSubstr("listed twice"));
  for (const std::string twice : {"ft:vision,ft:qformer", "lora:tower,ike,lora:vision_tower",
                                  "ft:projection,ft:projector", "mend:bridge,mend:connector"})
    EXPECT_THAT(message(twice), AllOf(HasSubstr("are the same editor"), HasSubstr("once")))
        << twice;
  EXPECT_EQ(message("ft,ft:language,ft:vision,ft:tower,serac,serac:paper"), "no error");
  EXPECT_THAT(message("nosuch"), AllOf(HasSubstr("'nosuch'"), HasSubstr("emend editors")));
  EXPECT_THAT(message("ft:ears"), AllOf(HasSubstr("ears"), HasSubstr("vision")));
  EXPECT_THAT(message("ft,,lora"), HasSubstr("empty"));
  EXPECT_THAT(message(""), HasSubstr("empty"));
}

TEST(RegistryTest, EveryEditorIsDeclared) {
  for (const auto& kind : editor_infos()) {
    EXPECT_FALSE(kind.summary.empty()) << kind.name;
    for (const auto& setting : kind.settings)
      EXPECT_FALSE(setting.meaning.empty() || setting.range.empty())
          << kind.name << " " << setting.name;
    EXPECT_EQ(kind.make(nullptr)->name(), kind.name);
    EXPECT_EQ(editor_info(kind.name).summary, kind.summary);
  }
}

TEST(SettingList, OldNamesOfSettingsAreAccepted) {
  int64_t width = 1;
  SettingList list;
  list.whole("lstm_width", width, 1, 100, "hidden size");
  list.alias("reader", "lstm_width");
  list.read("ke", {{"reader", 7}});
  EXPECT_EQ(width, 7);
  EXPECT_EQ(list.values(), nlohmann::json({{"lstm_width", 7}}));
  EXPECT_THAT(error_of([&] {
                list.read("ke", {{"reader", 7}, {"lstm_width", 8}});
              }),
              AllOf(HasSubstr("'lstm_width' and 'reader', which are one setting"),
                    HasSubstr("remove 'reader'")));
  EXPECT_THAT(error_of([&] { list.read("ke", {{"reader", 0}}); }), HasSubstr("'lstm_width'"));
}

}  // namespace
}  // namespace emend
