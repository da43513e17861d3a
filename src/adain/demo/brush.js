// The brush: a canvas over a copy of the photograph. window.adainPaint() is what the server gets.
(() => {
  const longest = 640, undoable = 20;
  const colors = window.adainColors;
  let canvas, pen, brush = 0, radius = 0.05, touched = false, shown = '';

  window.adainPaint = () => (canvas && touched ? canvas.toDataURL('image/png') : '');

  // An error is about the attempt before; on a narrow screen the result is below the button.
  window.adainGo = () => {
    document.querySelectorAll('.toast-close').forEach((close) => close.click());
    if (innerWidth <= 860) document.querySelector('#stage').scrollIntoView({ behavior: 'smooth' });
  };

  window.adainBrush = (root) => {
    if (root.firstChild) return;
    root.innerHTML = `
      <div class="brushes" role="radiogroup" aria-label="brush">
        ${colors.map((c, k) => `<button type="button" role="radio" data-brush="${k}" style="--c:${c}">
          <span class="dot"></span><span class="thumb"></span>Style ${k + 1}</button>`).join('')}
        <button type="button" role="radio" data-brush="-1"><span class="dot erase"></span>Eraser</button>
      </div>
      <div class="sheet"><p>Give a photograph first: you paint on it.</p><img alt="" hidden><canvas hidden></canvas></div>
      <div class="tools"><label>Brush <input type="range" min="1" max="20" value="5" aria-label="brush size"></label>
        <span><button type="button" class="undo">Undo</button> <button type="button" class="clear">Clear</button></span></div>`;
    const picture = root.querySelector('img');
    canvas = root.querySelector('canvas');
    pen = canvas.getContext('2d', { willReadFrequently: true });
    const buttons = [...root.querySelectorAll('[data-brush]')];
    const choose = (k) => {
      brush = k;
      buttons.forEach((b) => b.setAttribute('aria-checked', String(Number(b.dataset.brush) === k)));
    };
    buttons.forEach((b) => b.addEventListener('click', () => choose(Number(b.dataset.brush))));
    choose(0);
    root.querySelector('input').addEventListener('input', (e) => { radius = e.target.value / 100; });
    let before = [];
    const remember = () => {
      before = [...before.slice(1 - undoable), [pen.getImageData(0, 0, canvas.width, canvas.height), touched]];
    };
    const clear = () => { pen.clearRect(0, 0, canvas.width, canvas.height); touched = false; };
    const undo = () => {
      if (!before.length) return;
      const [pixels, was] = before.pop();
      pen.putImageData(pixels, 0, 0);
      touched = was;
    };
    root.querySelector('.undo').addEventListener('click', undo);
    root.querySelector('.clear').addEventListener('click', () => { remember(); clear(); });
    document.addEventListener('keydown', (e) => {
      if (e.key !== 'z' || !(e.ctrlKey || e.metaKey) || e.target.matches('input, textarea') || !canvas.offsetParent) return;
      e.preventDefault();
      undo();
    });

    const at = (e) => {
      const box = canvas.getBoundingClientRect();
      return [(e.clientX - box.left) * canvas.width / box.width, (e.clientY - box.top) * canvas.height / box.height];
    };
    let last = null;
    const stroke = (e) => {
      const [x, y] = at(e);
      pen.globalCompositeOperation = brush < 0 ? 'destination-out' : 'source-over';
      pen.strokeStyle = brush < 0 ? '#000' : colors[brush];
      pen.lineWidth = 2 * radius * Math.max(canvas.width, canvas.height);
      pen.lineCap = pen.lineJoin = 'round';
      pen.beginPath();
      pen.moveTo(...(last || [x, y]));
      pen.lineTo(x + 0.01, y);
      pen.stroke();
      last = [x, y];
      touched = true;
    };
    canvas.addEventListener('pointerdown', (e) => {
      try { canvas.setPointerCapture(e.pointerId); } catch { /* the pointer is gone already */ }
      last = null;
      remember();
      stroke(e);
    });
    canvas.addEventListener('pointermove', (e) => { if (last && e.buttons) stroke(e); });
    ['pointerup', 'pointercancel'].forEach((name) => canvas.addEventListener(name, () => { last = null; }));

    // The photograph and the styles are gradio's: what they show is looked at, not owned.
    setInterval(() => {
      const source = document.querySelector('#photo .image-frame img, #photo [data-testid="image"] img, #photo img')?.src || '';
      if (source !== shown) {
        shown = source;
        clear();
        before = [];
        picture.hidden = canvas.hidden = true;
        root.querySelector('.sheet p').hidden = Boolean(source);
        if (source) {
          picture.onload = () => {
            const scale = Math.min(1, longest / Math.max(picture.naturalWidth, picture.naturalHeight));
            canvas.width = Math.round(picture.naturalWidth * scale);
            canvas.height = Math.round(picture.naturalHeight * scale);
            picture.hidden = canvas.hidden = false;
          };
          picture.src = source;
        }
      }
      root.querySelector('.undo').disabled = !before.length;
      const soft = Number(document.querySelector('#soft input[type=range]')?.value || 0);
      canvas.style.filter = soft ? `blur(${soft * Math.max(canvas.clientWidth, canvas.clientHeight)}px)` : '';
      buttons.slice(0, colors.length).forEach((button, k) => {
        const style = document.querySelector(`#style-${k + 1} img`)?.src;
        button.querySelector('.thumb').style.backgroundImage = style ? `url("${style}")` : '';
        button.disabled = !style;
      });
    }, 300);
  };
})();
