# Flags, Debian's libraries, and alf_room(): one static library and one test binary a room.

option(ALF_CHECK_HEADERS "Compile each header of src/ alone, as part of all" OFF)
option(ALF_FUZZ "Build the fuzzers for libFuzzer (needs clang); otherwise they replay their corpus" OFF)
option(ALF_MUTANTS "Build in the planted bugs of base/mutant_names.h; never for what is shipped" OFF)
set(ALF_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, as in: address,undefined")

# What is shipped: optimised, with line tables for stack traces. ALF_CHECK is always on.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(absl REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(RocksDB REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)

add_library(isal INTERFACE)
target_link_libraries(isal INTERFACE -lisal)
add_library(xxhash INTERFACE)
target_link_libraries(xxhash INTERFACE -lxxhash)
add_library(rocksdb INTERFACE)
target_link_libraries(rocksdb INTERFACE RocksDB::rocksdb-shared)
add_library(asio INTERFACE)
# Asio finds out whether there is std::aligned_alloc by a macro of libstdc++ that is set only once
# a header of it was included. A file that included Asio first freed with operator delete what the
# others had from aligned_alloc: one inline function, two meanings in one program.
target_compile_definitions(asio INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED
                           ASIO_HAS_STD_ALIGNED_ALLOC=1)
add_library(httplib INTERFACE)
target_link_libraries(httplib INTERFACE -lcpp-httplib)
add_library(prometheus INTERFACE)
target_link_libraries(prometheus INTERFACE prometheus-cpp::core)
add_library(absl_containers INTERFACE)
target_link_libraries(absl_containers INTERFACE absl::flat_hash_map absl::btree absl::inlined_vector
                      absl::any_invocable)

add_library(alf_flags INTERFACE)
target_compile_options(alf_flags INTERFACE -Wall -Wextra -Wpedantic -Wno-missing-field-initializers
  -Werror=unused-result -Werror=return-type -Werror=switch -fno-omit-frame-pointer)
target_include_directories(alf_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
# __FILE__ is a path within the repository, whatever machine built it.
target_compile_options(alf_flags INTERFACE -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(ALF_SANITIZE)
  # vptr wants type information that the distribution's libraries do not carry.
  # -O1 behind the build type's -O2: it compiles in two thirds of the time.
  set(sanitize_flags -O1 -fsanitize=${ALF_SANITIZE} -fno-sanitize-recover=all)
  if(ALF_SANITIZE MATCHES "undefined")
    list(APPEND sanitize_flags -fno-sanitize=vptr)
  endif()
  target_compile_options(alf_flags INTERFACE ${sanitize_flags})
  target_link_options(alf_flags INTERFACE ${sanitize_flags})
  target_compile_definitions(alf_flags INTERFACE ALF_SANITIZED)  # tests may shorten what is slow
endif()
if(ALF_MUTANTS)
  target_compile_definitions(alf_flags INTERFACE ALF_MUTANTS)
endif()
if(ALF_FUZZ)
  target_compile_options(alf_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(alf_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
find_program(MOLD mold)
if(MOLD)
  target_link_options(alf_flags INTERFACE -fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_custom_target(benches)

# alf_room(name DEPS rooms... LIBS targets... [BENCH_SMOKE regex])
# Sources are src/<name>/**/*.cc; *_test.cc make <name>_tests (one ctest entry "unit.<name>"),
# *_bench.cc make <name>_bench (ctest runs each for a moment, "bench.<name>": all of it, or what
# BENCH_SMOKE matches), main.cc is left to whoever links the program. Tests may use the simulated
# hands (sim/hands), whatever floor they stand on.
function(alf_room name)
  cmake_parse_arguments(ROOM "" "BENCH_SMOKE" "DEPS;LIBS" ${ARGN})
  set(directory ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${directory}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|/main)\\.cc$")
  list(TRANSFORM ROOM_DEPS PREPEND alf_)
  if(sources)
    add_library(alf_${name} STATIC ${sources})
    target_link_libraries(alf_${name} PUBLIC alf_flags ${ROOM_DEPS} ${ROOM_LIBS})
  else()
    add_library(alf_${name} INTERFACE)
    target_link_libraries(alf_${name} INTERFACE alf_flags ${ROOM_DEPS} ${ROOM_LIBS})
  endif()
  if(tests)
    add_executable(${name}_tests ${tests})
    target_link_libraries(${name}_tests PRIVATE alf_${name} alf_sim_hands GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_tests PRIVATE ALF_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME unit.${name} COMMAND ${name}_tests)
    set_tests_properties(unit.${name} PROPERTIES TIMEOUT 120)
  endif()
  if(benches)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE alf_${name} alf_sim_hands benchmark::benchmark_main)
    alf_link_allocator(${name}_bench)  # else copies and batches would be paid at another price
    add_dependencies(benches ${name}_bench)
    if(NOT ROOM_BENCH_SMOKE)
      set(ROOM_BENCH_SMOKE ".")
    endif()
    add_test(NAME bench.${name} COMMAND ${name}_bench --benchmark_min_time=0.001
                                        --benchmark_filter=${ROOM_BENCH_SMOKE})
    set_tests_properties(bench.${name} PROPERTIES TIMEOUT 120 LABELS "bench")
  endif()
endfunction()

# jemalloc, as shipped; a sanitizer brings an allocator of its own.
function(alf_link_allocator name)
  if(NOT ALF_SANITIZE)
    # One word, because CMake merges equal ones: absl's list has a push and a pop of its own.
    target_link_libraries(${name} PRIVATE -Wl,--push-state,--no-as-needed,-ljemalloc,--pop-state)
  endif()
endfunction()

# alf_program(name SOURCES files... LIBS targets...)
# An executable at the top of the build directory, with jemalloc as its allocator.
function(alf_program name)
  cmake_parse_arguments(PROGRAM "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${PROGRAM_SOURCES})
  target_link_libraries(${name} PRIVATE alf_flags ${PROGRAM_LIBS})
  alf_link_allocator(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  add_dependencies(programs ${name})
endfunction()
add_custom_target(programs)

# alf_fuzzer(name SOURCE file.cc CORPUS directories... LIBS targets...)
# The source defines LLVMFuzzerTestOneInput. Under ALF_FUZZ it is a libFuzzer binary, a part of the
# target "fuzzers"; otherwise it is linked with cmake/fuzz_replay.cc and ctest replays the corpus
# ("corpus.<name>").
function(alf_fuzzer name)
  cmake_parse_arguments(FUZZER "" "SOURCE" "CORPUS;LIBS" ${ARGN})
  add_executable(${name}_fuzz ${FUZZER_SOURCE})
  target_link_libraries(${name}_fuzz PRIVATE alf_flags ${FUZZER_LIBS})
  set_target_properties(${name}_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  if(ALF_FUZZ)
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name}_fuzz)
  else()
    target_sources(${name}_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/cmake/fuzz_replay.cc)
    add_test(NAME corpus.${name} COMMAND ${name}_fuzz ${FUZZER_CORPUS})
    set_tests_properties(corpus.${name} PROPERTIES TIMEOUT 60)
  endif()
endfunction()

# alf_check_headers(): an object file that is never written for each header of src/, so that a
# header which leans on what others included first fails the build (ALF_CHECK_HEADERS).
function(alf_check_headers)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/src/*.h)
  set(generated)
  foreach(header IN LISTS headers)
    string(REPLACE "/" "_" name ${header})
    set(file ${CMAKE_BINARY_DIR}/headers/${name}.cc)
    file(CONFIGURE OUTPUT ${file} CONTENT "#include \"${header}\"\n#include \"${header}\"\n" @ONLY)
    list(APPEND generated ${file})
  endforeach()
  if(NOT generated)
    return()
  endif()
  add_library(alf_headers OBJECT ${generated})
  # -O0 -g0: the compiler is asked for an opinion only; the object is a few hundred bytes.
  target_compile_options(alf_headers PRIVATE -O0 -g0)
  target_link_libraries(alf_headers PRIVATE alf_server alf_sim_hands)
endfunction()
