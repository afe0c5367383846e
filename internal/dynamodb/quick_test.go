package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What DynamoDB sends goes the quick way, and is the same either way.
func TestQuickTakesTheUsual(t *testing.T) {
	t.Parallel()
	decoder := newDecoder(schema)
	var more strings.Builder
	for i := range 40 {
		fmt.Fprintf(&more, `,"attribute %d":{"S":""}`, i)
	}
	for _, rows := range []int{0, 1, 2, 5000} {
		items, records := make([]string, rows), make([]string, rows)
		for i := range rows {
			key := fmt.Sprintf(`"pk":{"S":"é \"%d\""},"sk":{"N":"%d"}`, i, i)
			items[i] = fmt.Sprintf(`{%s,"m":{"M":{"l":{"L":[{"N":"-1.5"},{"BOOL":true}]}}},"z":{"NULL":true}%s}`, key, more.String())
			image := fmt.Sprintf(`,"NewImage":%s`, items[i])
			event := []string{"INSERT", "MODIFY", "REMOVE"}[i%3]
			if event == "REMOVE" {
				image = `,"OldImage":` + items[i]
			}
			records[i] = fmt.Sprintf(`{"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":1.767225600E9,"Keys":{%s}%s,"SequenceNumber":"1%020d","SizeBytes":59,`+
				`"StreamViewType":"NEW_AND_OLD_IMAGES"},"eventID":"0123","eventName":%q,"eventSource":"aws:dynamodb","eventVersion":"1.1","userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}}`,
				key, image, i, event)
		}
		scanned := fmt.Appendf(nil, `{"ConsumedCapacity":{"CapacityUnits":128.5,"TableName":"orders"},"Count":%d,"Items":[%s],"LastEvaluatedKey":{"pk":{"S":"a"},"sk":{"N":"1"}},"ScannedCount":%[1]d}`,
			rows, strings.Join(items, ","))
		page, ok := quickScan(decoder, scanned)
		require.True(t, ok)
		want, err := (&Source{schema: schema}).cut(decoder, scanned)
		require.NoError(t, err)
		require.Equal(t, want, page)
		require.Len(t, page.Rows, rows)

		answer := fmt.Appendf(nil, `{"NextShardIterator":"next","Records":[%s]}`, strings.Join(records, ","))
		changes, ok := quickRecords(decoder, answer)
		require.True(t, ok)
		all, err := (&Stream{table: &Table{}}).cut(decoder, answer)
		require.NoError(t, err)
		require.Equal(t, all, changes)
		require.Len(t, changes.Changes, rows)
	}
}

// An array that is called like that of the items, and is not that one, hides no row.
func TestQuickScanTakesNoOtherArray(t *testing.T) {
	t.Parallel()
	const row = `{"pk":{"S":"a"},"sk":{"N":"1"}}`
	for _, answer := range []string{
		`{"X":{"Items":[` + row + `]},"Items":[]}`, `{"a\"Items":[` + row + `],"Items":[]}`, `{"X":[{"Items":[` + row + `]}],"Items":[]}`,
		`{"Items":[` + row + `],"Items":[]}`, `{"Items":[` + row + `]`, `{"Items":[` + row + `],}`, `{"Items":[` + row + `,]}`,
		"{\"Items\":[" + row + "],\"X\":\"\xff\"}", `{"Items":[{"pk":{"S":"a"}}]}`, `{"Items":[{"pk":{"S":"a"},"sk":{"S":"1"}}]}`,
	} {
		_, ok := quickScan(newDecoder(schema), []byte(answer))
		require.False(t, ok, answer)
	}
}
