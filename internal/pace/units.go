package pace

// WriteUnits is what writing an item of so many bytes costs, in write units: one for each 1 KB begun, at least one.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
func WriteUnits(size int) float64 { return float64(max(1, (size+1023)/1024)) }
