// Finds every function and variable of a program, and disassembles the functions.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analyzer/code/decoder.h"
#include "analyzer/code/program.h"

namespace mx::analyzer {

// Used once by Program::load. Sources in order of trust: symbols, the debug file's symbols, PLT
// relocations, .eh_frame, entry point and init/fini arrays, direct calls and pointers into bytes
// nobody else claimed.
class Discovery {
 public:
  Discovery(Program& program, const Image* debug);
  void run();

 private:
  struct Seed {
    uint64_t size = 0;
    Origin origin = Origin::reference;
    FunctionKind kind = FunctionKind::normal;
    std::vector<const Symbol*> symbols;
    std::string name;  // when it does not come from a symbol
  };

  void add_symbols(const Image& image, bool debug);
  void add_function_symbol(const Symbol& s, Origin origin);
  void add_data_symbols(const Image& image);
  void add_plt_stubs();
  bool short_stubs(const Section& section) const;
  std::string chosen_at_start(uint64_t resolver) const;
  void add_go_functions();
  void add_frames();
  void add_entries();
  void add_array(const char* section);
  bool covered(uint64_t address) const;

  void disassemble_new();
  void disassemble(Function& f, uint64_t limit, bool size_known);
  Function make_function(uint64_t address, const Seed& seed);
  void choose_names(Function& f, const Seed& seed);
  bool plausible(uint64_t address, uint64_t limit, bool called);
  uint64_t limit_of(uint64_t address) const;
  bool add_references();
  void offer(uint64_t target,
             bool reached);  // reached: by a call or a jump, not only its address taken

  void mark_address_taken();
  void find_cold_parts();

  Program& program_;
  const Image& image_;
  const Image* debug_;
  Decoder decoder_;
  std::vector<Instruction> scratch_;
  std::map<uint64_t, Seed> seeds_;
  std::map<uint64_t, Function> done_;
  std::set<uint64_t> rejected_;
  std::vector<std::pair<uint64_t, bool>> offers_;
  std::map<uint64_t, DataObject> data_;
};

}  // namespace mx::analyzer
