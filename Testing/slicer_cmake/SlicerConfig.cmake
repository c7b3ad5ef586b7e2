# What find_package(Slicer) reads: where things are and how the folders of an installed extension are called.
set(Slicer_VERSION 5.13)
set(Slicer_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})
set(Slicer_USE_FILE ${Slicer_CMAKE_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${Slicer_CMAKE_DIR}/ExtensionConfig.cmake)
set(Slicer_EXTENSION_CPACK ${Slicer_CMAKE_DIR}/ExtensionCPack.cmake)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-${Slicer_VERSION}/qt-scripted-modules)
set(Slicer_SHARE_DIR share/Slicer-${Slicer_VERSION})

# The tests of the modules run in Testing/slicer_host.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
