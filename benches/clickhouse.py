"""The page views of a combined log by the rules of design §3, as a SELECT for ClickHouse: for compare.sh and questions.sh."""

QUOTED = r'"((?:[^"\\]|\\.)*)"'
# Host, time to the minute, method, target, status, user agent. The date's numbers are checked when it is converted.
LINE = (r'^([^\s]+) [^\s]+ [^\[]+ \[(\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d):[0-6]\d [+-]\d{4}\] '
        r'"([A-Z]+) ((?:[^"\\]|\\.)*) HTTP/\d(?:\.\d)?" (\d{3}) (?:\d+|-) "(?:[^"\\]|\\.)*" '
        + QUOTED + r'(?:\s.*)?$')
STATIC = ("css js mjs map gif jpg jpeg png webp avif svg ico bmp tif tiff woff woff2 ttf otf eot mp3 mp4 m4a ogg wav "
          "webm mov avi flv swf").split()


def sql(text):
    """A text as a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def select_page_views(log, hash_function):
    """Rows of minute, page, section and visitor, which is the hash of address and user agent by `hash_function`."""
    return f"""
        WITH extractGroups(line, {sql(LINE)}) AS field,
             replaceRegexpOne(field[4], '^(?i:https?)://[^/?#]*', '') AS target,
             cutFragment(cutQueryString(target)) AS path
        SELECT parseDateTime(field[2], '%d/%b/%Y:%H:%i', 'UTC'), path,
               if(position(path, '/', 2) > 0, substring(path, 1, position(path, '/', 2)), '/'),
               {hash_function}(field[1], field[6])
        FROM file({sql(log)}, LineAsString, 'line String')
        WHERE length(field) = 6 AND field[3] IN ('GET', 'POST')
          AND (field[5] LIKE '2%' OR field[5] = '304') AND startsWith(path, '/')
          AND NOT match(path, {sql("(?i)[.](?:" + "|".join(STATIC) + ")$")})"""
