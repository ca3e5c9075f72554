//go:build !unix

package benchmark

func stopProcess(int) {}

func processRuns(int) bool { return false }
