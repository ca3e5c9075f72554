package object_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/core/object/objecttest"
)

func TestFindAgreesWithTheEvaluator(t *testing.T) {
	objecttest.FindAgreesWithEvaluator(t, openStore(t), 1)
}
