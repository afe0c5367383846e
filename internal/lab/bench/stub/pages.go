package stub

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"time"
)

// Row is one row, its attributes and its key as DynamoDB JSON.
type Row struct{ Key, Item string }

// A page has so many rows, and a page of a stream so many records: 1 MB of rows of 500 bytes, and DynamoDB's limit.
const (
	scanPage   = 2000
	streamPage = 1000
)

// answer is a whole HTTP answer.
type answer []byte

func ok(body []byte) answer { return status("200 OK", body) }

func refusal(code, message string) answer {
	return status("400 Bad Request", fmt.Appendf(nil, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message))
}

// status has the headers that DynamoDB sends; the date is that of the making.
func status(line string, body []byte) answer {
	head := fmt.Appendf(make([]byte, 0, 300+len(body)), "HTTP/1.1 %s\r\nServer: Server\r\nDate: %s\r\n"+
		"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"+
		"X-Amzn-Requestid: 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEF\r\nX-Amz-Crc32: %d\r\n\r\n",
		line, time.Now().UTC().Format(http.TimeFormat), len(body), crc32.ChecksumIEEE(body))
	return append(head, body...)
}

// segments are the pages of a scan: those of a segment, and under which key each of them goes on.
type segments []segment

type segment struct {
	pages []answer
	after map[string]int // the number in the last key of a page, to the next page
}

// cutSegments gives each segment an even part of the rows.
func cutSegments(rows []Row, n int) segments {
	cut := make(segments, n)
	for i := range cut {
		own := rows[i*len(rows)/n : (i+1)*len(rows)/n]
		s := segment{after: map[string]int{}}
		for from := 0; from == 0 || from < len(own); from += scanPage {
			to := min(from+scanPage, len(own))
			s.pages = append(s.pages, scanned(own[from:to], to < len(own)))
			if to < len(own) {
				s.after[numberOf([]byte(own[to-1].Key))] = len(s.pages)
			}
		}
		cut[i] = s
	}
	return cut
}

// numberOf is the first number in a key. The order of a key's attributes is the client's to choose, so that a key
// cannot be told by its bytes; the rows' keys have one number each.
func numberOf(key []byte) string {
	_, rest, _ := bytes.Cut(key, []byte(`{"N":"`))
	number, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(number)
}

func scanned(rows []Row, more bool) answer {
	b := fmt.Appendf(nil, `{"ConsumedCapacity":{"CapacityUnits":128.5,"TableName":"bench"},"Count":%d,"Items":[`, len(rows))
	for i, row := range rows {
		b = append(append(b, separator(i)...), row.Item...)
	}
	b = append(b, ']')
	if more {
		b = append(append(b, `,"LastEvaluatedKey":`...), rows[len(rows)-1].Key...)
	}
	return ok(fmt.Appendf(b, `,"ScannedCount":%d}`, len(rows)))
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// cutShards makes a stream in which each row was inserted once: the pages of each shard, and after them an empty one
// without end, for the shards are open.
func cutShards(rows []Row, n int) [][]answer {
	cut := make([][]answer, n)
	for i := range cut {
		first, end := i*len(rows)/n, (i+1)*len(rows)/n
		for from := first; from < end; from += streamPage {
			to := min(from+streamPage, end)
			cut[i] = append(cut[i], recorded(rows, from, to, iterator(i, len(cut[i])+1)))
		}
		cut[i] = append(cut[i], recorded(rows, 0, 0, iterator(i, len(cut[i]))))
	}
	return cut
}

func recorded(rows []Row, from, to int, next string) answer {
	b := []byte(`{"NextShardIterator":"` + next + `","Records":[`)
	for i := from; i < to; i++ {
		b = fmt.Appendf(append(b, separator(i-from)...), `{"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":1.767225600E9,`+
			`"Keys":%s,"NewImage":%s,"SequenceNumber":"%s","SizeBytes":%d,"StreamViewType":"NEW_IMAGE"},"eventID":"%032x",`+
			`"eventName":"INSERT","eventSource":"aws:dynamodb","eventVersion":"1.1"}`,
			rows[i].Key, rows[i].Item, sequence(i+1), len(rows[i].Item), i)
	}
	return ok(append(b, `]}`...))
}

func sequence(n int) string { return fmt.Sprintf("1%025d", n) }

// An iterator is long, as DynamoDB's are.
func iterator(shard, page int) string {
	return fmt.Sprintf("%s%04d%06d", bytes.Repeat([]byte("A"), 210), shard, page)
}

// shardAndPage is what an iterator in a request says.
func shardAndPage(body []byte) (shard, page int, err error) {
	_, rest, _ := bytes.Cut(body, []byte(`"ShardIterator":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	text = bytes.TrimLeft(text, "A")
	if len(text) != 10 {
		return 0, 0, fmt.Errorf("no iterator of this stream: %q", text)
	}
	if shard, err = strconv.Atoi(string(text[:4])); err == nil {
		page, err = strconv.Atoi(string(text[4:]))
	}
	return shard, page, err
}
