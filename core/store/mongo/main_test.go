package mongo_test

import (
	"testing"

	"go.uber.org/goleak"
)

// A store and its streams leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
