#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app{"Corrects what a vision-language model believes."};
  app.set_version_flag("--version", std::string("emend ") + EMEND_VERSION);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
