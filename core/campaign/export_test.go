package campaign

// What the tests of the package look at.
var (
	LocalTime = localTime
	LocalDue  = localDue
	MessageID = messageID
)

// Judge is what a test says of counts.
func (t *Test) Judge(counts []Count) (string, string) { return t.judge(counts) }
