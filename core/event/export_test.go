package event

// CSVRecords reads the records of a whole file; false when one is faulty.
func CSVRecords(text []byte) (out [][]string, fine bool) {
	for len(text) > 0 {
		fields, n, fault := csvRecord(text, true, ',', nil)
		if fault != csvFine {
			return out, false
		}
		if raw := text[:n]; !csvBlank(raw) {
			record := make([]string, len(fields))
			for i, f := range fields {
				record[i] = string(f)
			}
			out = append(out, record)
		}
		text = text[n:]
	}
	return out, true
}
