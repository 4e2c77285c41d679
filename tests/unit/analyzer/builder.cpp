#include "builder.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace mx::analyzer::test {

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mx-analyzer-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string run(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "re");
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string out;
  std::array<char, 65536> buffer;
  while (size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return out;
}

Pair build_pair(const TempFolder& folder, const std::string& source, const Toolchain& tools) {
  std::string base = tools.compiler + tools.flags;
  for (char& c : base)
    if (c == ' ' || c == '/' || c == '+') c = '_';
  base = folder / (base + std::filesystem::path(source).stem().string());
  Pair pair{base + ".old", base + ".new"};
  std::string command = tools.compiler + " -g -w " + tools.flags + " " + source;
  run(command + " -o " + pair.old_path);
  run(command + " -DNEW_VERSION -o " + pair.new_path);
  return pair;
}

Pair stripped(const Pair& pair) {
  Pair out{pair.old_path + ".stripped", pair.new_path + ".stripped"};
  run("strip -o " + out.old_path + " " + pair.old_path);
  run("strip -o " + out.new_path + " " + pair.new_path);
  return out;
}

std::vector<TrueFunction> true_functions(const std::string& path) {
  std::vector<TrueFunction> out;
  std::istringstream lines(run("readelf -sW " + path));
  std::string line;
  bool in_table = false;
  while (std::getline(lines, line)) {
    if (line.find("Symbol table") != std::string::npos)
      in_table = line.find(".symtab") != std::string::npos;
    std::istringstream words(line);
    std::string number, value, size, type, binding, visibility, section, name;
    words >> number >> value >> size >> type >> binding >> visibility >> section >> name;
    if (!in_table || type != "FUNC" || section == "UND") continue;
    out.push_back({std::stoull(value, nullptr, 16), std::stoull(size, nullptr, 0), name});
  }
  return out;
}

std::map<uint64_t, std::string> true_lines(const std::string& path,
                                           const std::set<uint64_t>& addresses) {
  std::map<uint64_t, std::string> out;
  if (addresses.empty()) return out;
  std::string list = path + ".addresses";
  std::ostringstream text;
  for (uint64_t a : addresses) text << std::hex << a << "\n";
  write_file(list, text.str());
  std::istringstream lines(run("addr2line -e " + path + " < " + list));
  std::string line;
  for (uint64_t a : addresses) {
    if (!std::getline(lines, line)) break;
    out[a] = line.substr(0, line.find(' '));  // without "(discriminator 2)"
  }
  return out;
}

}  // namespace mx::analyzer::test
