# What include(${Slicer_USE_FILE}) does for an extension of scripted modules.
set(EXTENSION_NAME ${PROJECT_NAME})
if(EXTENSION_NAME MATCHES "^(Slicer|Project)?$")
  message(FATAL_ERROR "Call project(<extension name>) before including Slicer's use file.")
endif()

foreach(_file README LICENSE)
  if(NOT DEFINED EXTENSION_${_file}_FILE)
    message(FATAL_ERROR "Without EXTENSION_${_file}_FILE, Slicer's own ${_file} would go into the package.")
  endif()
endforeach()
if(NOT DEFINED EXTENSION_DEPENDS)
  set(EXTENSION_DEPENDS NA)
endif()

set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR ${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
include(CTest)
include(${Slicer_CMAKE_DIR}/ScriptedModule.cmake)
