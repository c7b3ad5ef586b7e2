# Copy the files of a scripted module to the folder that all modules share, keeping their subfolders, and install
# them from there. Each of SCRIPTS is Python: where ".py" is missing it is added, as in Slicer.
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule does not know \"${MODULE_UNPARSED_ARGUMENTS}\"")
  endif()
  if(NOT MODULE_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule needs a NAME")
  endif()

  set(files ${MODULE_RESOURCES})
  foreach(script IN LISTS MODULE_SCRIPTS)
    if(NOT script MATCHES "\\.py$")
      string(APPEND script .py)
    endif()
    list(APPEND files ${script})
  endforeach()

  set(folder ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
  set(copies)
  foreach(file IN LISTS files)
    set(source ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    if(NOT EXISTS "${source}" OR IS_DIRECTORY "${source}")
      message(FATAL_ERROR "${MODULE_NAME} lists a file that is not there: ${file}")
    endif()
    add_custom_command(
      OUTPUT "${folder}/${file}"
      COMMAND ${CMAKE_COMMAND} -E copy "${source}" "${folder}/${file}"
      DEPENDS "${source}"
      VERBATIM)
    list(APPEND copies "${folder}/${file}")
  endforeach()
  add_custom_target(${MODULE_NAME} ALL DEPENDS ${copies})
  install(DIRECTORY "${folder}/" DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR})

  if(BUILD_TESTING AND MODULE_WITH_GENERIC_TESTS)
    _add_test_in_host(py_nomainwindow_qSlicer${MODULE_NAME}ModuleGenericTest --open ${MODULE_NAME})
  endif()
endfunction()

# Register the unit tests of a module's script with CTest.
function(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  get_filename_component(name ${TEST_SCRIPT} NAME_WE)
  _add_test_in_host(py_${TEST_TESTNAME_PREFIX}${name} --unittest ${name})
endfunction()

function(_add_test_in_host test what name)
  add_test(
    NAME ${test}
    COMMAND Python3::Interpreter ${Slicer_CMAKE_DIR}/run_in_host.py
      ${what} ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/${name}.py)
  set_tests_properties(${test} PROPERTIES RUN_SERIAL TRUE)
endfunction()
