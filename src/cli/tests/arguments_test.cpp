// Tests of arguments, help texts and errors.
#include "cli/testing/program.h"

#include <sstream>

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ArgumentsProgramTest : public ProgramTest {};

TEST_F(ArgumentsProgramTest, PrintsVersionAndHelp) {
  EXPECT_THAT(run("--version").out, StartsWith("emend 0."));
  for (const std::string command :
       {"", "ask ", "edit ", "editors ", "inspect ", "patch ", "scenes ", "scenes export ", "demo ",
        "bench ", "report ", "train ", "convert ", "convert blip2 ", "convert minigpt4 "}) {
    auto help = run(command + "--help");
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, HasSubstr("Usage: emend"));
    EXPECT_EQ(help.err, "");
  }
  EXPECT_THAT(run("").out, HasSubstr("Examples"));
}

// Each example line that begins with emend names the command of its help text.
TEST_F(ArgumentsProgramTest, HelpOfEveryCommandHasExamples) {
  for (const std::string command :
       {"ask", "edit", "editors", "inspect", "patch", "patch list", "patch remove", "patch merge",
        "scenes", "scenes export", "demo", "bench", "report", "train", "stats", "convert",
        "convert blip2", "convert minigpt4"}) {
    SCOPED_TRACE(command);
    std::istringstream help(run(command + " --help").out);
    int examples = 0;
    for (std::string line; std::getline(help, line);) {
      if (!line.starts_with("  emend ")) continue;
      ++examples;
      EXPECT_THAT(line, StartsWith("  emend " + command));
    }
    EXPECT_GT(examples, 0);
  }
}

TEST_F(ArgumentsProgramTest, SuggestsTheNearestCommandAndOption) {
  expect_refused("asks -p x", "did you mean 'ask'?");
  expect_refused("bensh -o r", "did you mean 'bench'?");
  expect_refused("scenes exprot -o x", "did you mean 'export'?");
  expect_refused("patch merg a b", "did you mean 'merge'?");
  expect_refused("ask --promt x", "did you mean '--prompt'?");
  expect_refused("bench --limt=3 -o {}/r", "did you mean '--limit'?");
  expect_refused("xyzzy", "emend --help lists all commands");
  expect_refused("$(head -c 5000 /dev/zero | tr '\\0' a)", "...'");
}

TEST_F(ArgumentsProgramTest, RefusesNumbersOutOfRange) {
  struct Case {
    std::string arguments, said;
  };
  const std::vector<Case> cases = {
      {"bench -o {}/r --limit", "--limit must be between 0 and 1000000000"},
      {"bench -o {}/r --probes", "--probes must be between 1 and 10000"},
      {"bench -o {}/r --batch-size", "--batch-size must be between 1 and"},
      {"bench -o {}/r --judge-at", "--judge-at must be between 1 and"},
      {"bench -o {}/r --judge-sample", "--judge-sample must be between 1 and"},
      {"bench -o {}/r --cache-memory", "--cache-memory must be a size such as 512M"},
      {"bench -o {}/r --seed", "--seed must be between 0 and"},
      {"bench -o {}/r --threads", "--threads must be between 0 and 1024"},
      {"train -o {}/t --limit", "--limit must be between 0 and 1000000000"},
      {"train -o {}/t --probes", "--probes must be between 1 and 10000"},
      {"train -o {}/t --steps", "--steps must be between 1 and"},
      {"train -o {}/t --cache-memory", "--cache-memory must be a size such as 512M"},
      {"edit -p x --target y -o {}/x.patch --probes", "--probes must be between 1 and 10000"},
      {"ask -p x --max-new-tokens", "--max-new-tokens must be between 1 and 4096"},
      {"ask -p x --temperature", "--temperature must be between 0 and 100"},
      {"ask -p x --top-p", "--top-p must be between 0 and 1"},
      {"scenes export -o {}/s --count", "--count must be between 1 and 1000000"},
      {"demo --edits", "--edits must be between 1 and 10000"},
      {"report {}/r --records", "--records must be between 0 and"},
      {"convert blip2 --image-size", "--image-size must be between 1 and"},
      {"convert blip2 --vision-blocks", "--vision-blocks must be between 1 and"},
      {"convert blip2 --vision-heads", "--vision-heads must be between 1 and"},
      {"convert blip2 --qformer-heads", "--qformer-heads must be between 1 and"},
      {"convert blip2 --shard-gb", "--shard-gb must be between 0.001 and"},
  };
  for (const auto& [arguments, said] : cases)
    for (const char* number : {" -1", "=-1", "=-99999999999999999999999"})
      expect_refused(arguments + number, said);
  expect_refused("bench -o {}/r --limit 99999999999999999999999", "--limit must be between");
  expect_refused("bench -o {}/r --limit 1.5", "--limit must be a whole number between 0 and");
  expect_refused("ask -p x --temperature nan", "--temperature must be a number between");
  expect_refused("ask -p x --dtype int3", "--dtype must be one of auto, fp32, bf16, fp16");
  expect_refused("bench -o {}/r --mode some", "--mode must be one of");
}

TEST_F(ArgumentsProgramTest, SaysInPlainWordsWhatIsWrongWithTheArguments) {
  struct Case {
    std::string arguments, said, hint;
  };
  const std::vector<Case> cases = {
      {"patch", "'emend patch' needs a command",
       "type one of: emend patch list, emend patch remove, emend patch merge"},
      {"scenes", "'emend scenes' needs a command", "type one of: emend scenes export"},
      {"report", "the argument 'runs'", "for example: emend report runs/first"},
      {"inspect", "the argument 'path' (folder of a model", "for example: emend inspect models/"},
      {"bench", "the option --output (output folder",
       "for example: emend bench --limit 20 -o runs"},
      {"ask", "the option --prompt (question, or text to continue) is missing",
       "for example: emend ask --image scene.png -p \"What color is the star?\""},
      {"patch remove a.patch x", "the option --output",
       "for example: emend patch remove zoo.patch"},
      {"patch merge a.patch -o x", "'patches' needs at least 2 values",
       "for example: emend patch merge zoo.patch more.patch"},
      {"ask hello -p x", "'hello' is not an argument of `emend ask`", "quotation marks"},
      {"ask hello my friend -p x", "'hello my friend' is not an argument", "quotation marks"},
      {"ask -p x -i x.png", "unknown option '-i'", "emend ask --help lists all"},
      {"ask -p x -q", "unknown option '-q'", "emend ask --help lists all"},
      {"ask -p x -p y", "--prompt is given 2 times", "give it once"},
      {"ask -p x --image", "--image needs a value", "write the value after --image"},
      {"ask -p x --json=maybe", "--json takes no value", "only the name"},
      {"ask -p x --bare --template '{''}'", "--template and --bare cannot be used together",
       "remove one of them"},
      {"edit -p x --target y --sequential -o z", "--sequential needs --edits", "add --edits"},
      {"ask -p x --dtype int3", "--dtype must be one of", "see emend ask --help"}};
  for (const auto& [arguments, said, hint] : cases) {
    expect_refused(arguments, said);
    expect_refused(arguments, "Hint: ");
    EXPECT_THAT(run(arguments).err, HasSubstr(hint));
  }
}

TEST_F(ArgumentsProgramTest, RefusesEmptyValues) {
  const std::string edit = "edit -m {}/model -p 'What?' --target cat -o {}/x.patch ";
  for (const std::string blank : {"''", "'  '", "\"$(printf '\\t')\""}) {
    for (const char* option : {"--module", "--editor", "--sites", "--image", "--rephrase", "--set",
                               "--settings", "--hparams", "--patch", "--template", "--protocol"})
      expect_refused(edit + option + " " + blank, std::string(option) + " must");
    expect_refused("edit -m {}/model -p 'What?' -o {}/x.patch --target " + blank,
                   "--target must not be empty; omit it");
    expect_refused("edit -m {}/model --target cat -o {}/x.patch -p " + blank, "--prompt must");
    expect_refused("edit -m {}/model -p 'What?' --target cat -o " + blank,
                   "--output must not be empty.");
    expect_refused("ask -p x -m " + blank, "--model must");
    expect_refused("bench -m {}/model -o {}/r --limit 1 --editors " + blank, "--editors must");
    expect_refused("train -m {}/model -o {}/t --module " + blank, "--module must");
    expect_refused("train -m {}/model -o {}/t --recipe " + blank, "--recipe must");
    expect_refused("inspect " + blank, "path must");
    expect_refused("editors " + blank, "name must");
    expect_refused("patch list " + blank, "patch must");
    expect_refused("convert blip2 --checkpoint x --language y -o " + blank, "--output must");
  }
  // No picture for the first question.
  EXPECT_EQ(run(edit + "--locality 'Who?' --locality 'Where?' --locality-image '' "
                       "--locality-image {}/picture.png --allow-failed --set steps=1")
                .code,
            0);
  std::filesystem::remove(path("x.patch"));
}

TEST_F(ArgumentsProgramTest, TrainRefusesAnUnwritableOutputFirst) {
  // The model does not exist, so the output must be checked before the model is opened.
  expect_refused("train -m {}/missing -o /proc/mend.safetensors", "/proc/mend.safetensors");
  expect_refused("train -m {}/missing -o {}/nowhere/mend.safetensors", "cannot be written");
}

TEST_F(ArgumentsProgramTest, RefusesBadArguments) {
  expect_refused("teach", "teach");
  expect_refused("ask", "--prompt");
  expect_refused("ask -p x --color", "--color");
  expect_refused("ask -p x -t many", "--threads");
  expect_refused("ask -p x --dtype int3", "--dtype");
  expect_refused("edit -p x --target y -o {}/x.patch --module language --sites fc1", "--sites");
  expect_refused(std::string(kEdit) + "-o {}/x.patch --editor magic", "unknown editor 'magic'");
  expect_refused(std::string(kEdit) + "-o {}/x.patch --set stepz=3", "no setting 'stepz'");
  expect_refused(std::string(kEdit) + "-o {}/x.patch --set steps", "NAME=VALUE");
  expect_refused(std::string(kEdit) + "-o {}/x.patch --follows nothing", "QUESTION => ANSWER");
  expect_refused(std::string(kEdit) + "-o {}/x.patch --set lr=fast", "a number");
  expect_refused(std::string(kEdit) + "-o {}/x.patch --sites no.such.layer", "no.such.layer");
  expect_refused(std::string(kEdit) + "-o {}/nowhere/x.patch", "nowhere");
  expect_refused(std::string(kEdit) + "-o {}/model", "folder");
}

TEST_F(ArgumentsProgramTest, RefusesBadModels) {
  expect_refused("ask -m {}/missing -p x", "missing");
  expect_refused("ask -m {}/picture.png -p x", "folder");
  expect_refused("ask -m {}/truncated -p x", "truncated");
  expect_refused("ask -m {}/unknown -p x", "MysteryForEverything");
  expect_refused("inspect {}/missing", "missing");
  expect_refused("inspect {}/model/model.safetensors", "not a patch");
}

TEST_F(ArgumentsProgramTest, RefusesBadPicturesAndTexts) {
  expect_refused("ask -m {}/model --image {}/missing.png -p x", "missing.png");
  expect_refused("ask -m {}/model --image {}/text.png -p x", "text.png");
  expect_refused("ask -m {}/model --image {}/half.png -p x", "half.png");
  expect_refused("ask -m {}/model --image {} -p x", "");
  expect_refused("ask -m {}/model -p ''", "--prompt must not be empty");
  expect_refused("ask -m {}/model -p \"$(printf '\\377')\"", "UTF-8");
  expect_refused("edit -m {}/model -p 'What?' --target '' -o {}/x.patch", "target");
  expect_refused("edit -m {}/model -p 'What?' --target y -o {}/x.patch --module vision",
                 "no gradient");
  expect_refused("ask -m {}/model -p x --patch {}/picture.png", "picture.png");
  expect_refused("ask -m {}/model -p x --patch {}/missing.patch", "missing.patch");
}

TEST_F(ArgumentsProgramTest, FullDiskLeavesNoFile) {
  // Two blocks are enough for the test's redirected output, but not for a patch.
  expect_refused(std::string(kEdit) + "-o {}/x.patch", "x.patch", "ulimit -f 2;");
  std::filesystem::create_directory(path("full"));
  expect_refused("scenes export -o {}/full --count 1", "full", "ulimit -f 2;");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("full")))
    EXPECT_FALSE(entry.is_regular_file()) << entry.path();
}

TEST_F(ArgumentsProgramTest, ReportsAnUnwritableStdout) {
  auto status = std::system((std::string("OMP_NUM_THREADS=1 ") + EMEND_PROGRAM + " inspect " +
                             path("model") + " >/dev/full 2>" + path("err"))
                                .c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_THAT(read_file(path("err")), HasSubstr("could not be written"));
}

}  // namespace
}  // namespace emend
