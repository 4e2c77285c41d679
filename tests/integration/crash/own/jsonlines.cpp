// Reads lines of JSON and writes each back on one line;
// what cannot be read is answered with the reason.
#include <json/json.h>

#include <iostream>
#include <memory>
#include <string>

namespace {

std::string answer(const std::string& line) {
  std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
  Json::StreamWriterBuilder writer;
  writer["indentation"] = "";
  Json::Value value;
  std::string errors;
  try {
    if (!reader->parse(line.data(), line.data() + line.size(), &value, &errors)) return "not JSON";
    return Json::writeString(writer, value);
  } catch (const std::exception& e) {
    return std::string("refused: ") + e.what();
  }
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << answer(line) << std::endl;
}
